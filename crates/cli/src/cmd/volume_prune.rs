//! `volume prune`: remove volumes that no container uses.

use super::{confirm, filters};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::{output, units};
use client::{Call, Client};
use docker_schema::volume::PruneReport;

#[derive(Debug, clap::Args)]
pub(crate) struct VolumePrune {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<label>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Action for VolumePrune {
    const ABOUT: &'static str = "Remove unused local volumes";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let warning = match self.all {
            true => "This will remove all local volumes not used by at least one container.",
            false => "This will remove anonymous local volumes not used by at least one container.",
        };
        if !self.force && !confirm(warning)? {
            return Err(Failure::text(1, "volume prune has been cancelled"));
        }
        let mut wanted = self.filter;
        if self.all {
            wanted.push("all=true".to_owned());
        }
        let freed = prune(cx.client().await?, &wanted).await?;
        output::line(&format!("Total reclaimed space: {}", units::size(freed)))?;
        Ok(0)
    }
}

/// Prunes, says what was removed, and gives how many bytes that freed.
pub(crate) async fn prune(client: &Client, filter: &[String]) -> Result<i64> {
    let call = Call::post("/volumes/prune").optional("filters", filters(filter)?);
    let report: PruneReport = client.json(call).await?;
    if let Some(names) = report.volumes_deleted.filter(|names| !names.is_empty()) {
        output::line("Deleted Volumes:")?;
        names.iter().try_for_each(|name| output::line(name))?;
        output::line("")?;
    }
    Ok(i64::try_from(report.space_reclaimed).unwrap_or(i64::MAX))
}
