//! `image prune`: remove images that nothing uses.

use super::{confirm, filters, image_remove};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::{output, units};
use client::{Call, Client};
use docker_schema::image::PruneReport;

#[derive(Debug, clap::Args)]
pub(crate) struct ImagePrune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Action for ImagePrune {
    const ABOUT: &'static str = "Remove unused images";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let warning = match self.all {
            true => {
                "This will remove all images without at least one container associated to them."
            }
            false => "This will remove all dangling images.",
        };
        if !self.force && !confirm(warning)? {
            return Err(Failure::text(1, "image prune has been cancelled"));
        }
        let freed = prune(cx.client().await?, self.all, &self.filter).await?;
        output::line(&format!("Total reclaimed space: {}", units::size(freed)))?;
        Ok(0)
    }
}

/// Prunes, says what was removed, and gives how many bytes that freed.
pub(crate) async fn prune(client: &Client, all: bool, filter: &[String]) -> Result<i64> {
    let mut wanted = filter.to_vec();
    wanted.push(format!("dangling={}", !all));
    let call = Call::post("/images/prune").optional("filters", filters(&wanted)?);
    let report: PruneReport = client.json(call).await?;
    if let Some(items) = report.images_deleted.filter(|items| !items.is_empty()) {
        output::line("Deleted Images:")?;
        image_remove::print(&items)?;
        output::line("")?;
    }
    Ok(i64::try_from(report.space_reclaimed).unwrap_or(i64::MAX))
}
