//! `container prune`: remove stopped containers.

use super::{confirm, filters};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::{output, units};
use client::{Call, Client};
use docker_schema::container::PruneReport;

#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Action for Prune {
    const ABOUT: &'static str = "Remove all stopped containers";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        if !self.force && !confirm("This will remove all stopped containers.")? {
            return Err(Failure::text(1, "container prune has been cancelled"));
        }
        let freed = prune(cx.client().await?, &self.filter).await?;
        output::line(&format!("Total reclaimed space: {}", units::size(freed)))?;
        Ok(0)
    }
}

/// Prunes, says what was removed, and gives how many bytes that freed.
pub(crate) async fn prune(client: &Client, filter: &[String]) -> Result<i64> {
    let call = Call::post("/containers/prune").optional("filters", filters(filter)?);
    let report: PruneReport = client.json(call).await?;
    if let Some(ids) = report.containers_deleted.filter(|ids| !ids.is_empty()) {
        output::line("Deleted Containers:")?;
        for id in ids {
            output::line(&id)?;
        }
        output::line("")?;
    }
    Ok(i64::try_from(report.space_reclaimed).unwrap_or(i64::MAX))
}
