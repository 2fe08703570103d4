//! `network prune`: remove networks that no container uses.

use super::{confirm, filters};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output;
use client::{Call, Client};
use docker_schema::network::PruneReport;

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkPrune {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Action for NetworkPrune {
    const ABOUT: &'static str = "Remove all unused networks";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        const WARNING: &str =
            "This will remove all custom networks not used by at least one container.";
        if !self.force && !confirm(WARNING)? {
            return Err(Failure::text(1, "network prune has been cancelled"));
        }
        prune(cx.client().await?, &self.filter).await?;
        Ok(0)
    }
}

/// Prunes, and says what was removed.
pub(crate) async fn prune(client: &Client, filter: &[String]) -> Result<()> {
    let call = Call::post("/networks/prune").optional("filters", filters(filter)?);
    let report: PruneReport = client.json(call).await?;
    if let Some(names) = report.networks_deleted.filter(|names| !names.is_empty()) {
        output::line("Deleted Networks:")?;
        names.iter().try_for_each(|name| output::line(name))?;
        output::line("")?;
    }
    Ok(())
}
