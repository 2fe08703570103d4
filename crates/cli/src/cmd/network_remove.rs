//! `network rm`: remove networks.

use super::network;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkRemove {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, hide = true)]
    networks: Vec<String>,
}

impl Action for NetworkRemove {
    const ABOUT: &'static str = "Remove one or more networks";
    const USAGE: &'static str = "NETWORK [NETWORK...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let mut failures = Vec::new();
        for name in &self.networks {
            match client.done(Call::delete(network(name, ""))).await {
                Ok(()) => output::line(name)?,
                Err(error) if self.force && error.is_not_found() => {}
                Err(error) => failures.push(Failure::from(error)),
            }
        }
        Failure::all(failures).map(|()| 0)
    }
}
