//! `system prune`: remove what nothing uses.

use super::{confirm, image_prune, prune};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::{output, units};

#[derive(Debug, clap::Args)]
pub(crate) struct SystemPrune {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Action for SystemPrune {
    const ABOUT: &'static str = "Remove unused data";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let images = match self.all {
            true => "all images without at least one container associated to them",
            false => "all dangling images",
        };
        let warning = format!("This will remove:\n  - all stopped containers\n  - {images}\n");
        if !self.force && !confirm(&warning)? {
            return Err(Failure::text(1, "system prune has been cancelled"));
        }
        let client = cx.client().await?;
        let containers = prune::prune(client, &self.filter).await?;
        let images = image_prune::prune(client, self.all, &self.filter).await?;
        let freed = units::size(containers.saturating_add(images));
        output::line(&format!("Total reclaimed space: {freed}"))?;
        Ok(0)
    }
}
