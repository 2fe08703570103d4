//! `network inspect`: everything about networks.

use super::inspect::{Kind, show};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkInspect {
    /// Format output using a custom template: 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    /// Verbose output for diagnostics
    #[arg(short, long)]
    verbose: bool,
    #[arg(required = true, hide = true)]
    networks: Vec<String>,
}

impl Action for NetworkInspect {
    const ABOUT: &'static str = "Display detailed information on one or more networks";
    const USAGE: &'static str = "[OPTIONS] NETWORK [NETWORK...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        // COMPAT: what is verbose is about swarms, of which there are none.
        let _verbose = self.verbose;
        let kinds = &[Kind::Network];
        show(cx, &self.networks, kinds, false, self.format.as_deref()).await
    }
}
