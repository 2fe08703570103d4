//! `volume inspect`: everything about volumes.

use super::inspect::{Kind, show};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;

#[derive(Debug, clap::Args)]
pub(crate) struct VolumeInspect {
    /// Format output using a custom template: 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    #[arg(required = true, hide = true)]
    volumes: Vec<String>,
}

impl Action for VolumeInspect {
    const ABOUT: &'static str = "Display detailed information on one or more volumes";
    const USAGE: &'static str = "[OPTIONS] VOLUME [VOLUME...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let kinds = &[Kind::Volume];
        show(cx, &self.volumes, kinds, false, self.format.as_deref()).await
    }
}
