//! `system prune`: remove what nothing uses.

use super::{confirm, image_prune, network_prune, prune, volume_prune};
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
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

impl Action for SystemPrune {
    const ABOUT: &'static str = "Remove unused data";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        if self.volumes && self.filter.iter().any(|f| f.starts_with("until=")) {
            let words = "The \"until\" filter is not supported with \"--volumes\"";
            return Err(Failure::text(1, words));
        }
        let images = match self.all {
            true => "all images without at least one container associated to them",
            false => "all dangling images",
        };
        let volumes = match self.volumes {
            true => "  - all anonymous volumes not used by at least one container\n",
            false => "",
        };
        let warning = format!(
            "This will remove:\n  - all stopped containers\n  - all networks not used by at least \
             one container\n{volumes}  - {images}\n"
        );
        if !self.force && !confirm(&warning)? {
            return Err(Failure::text(1, "system prune has been cancelled"));
        }
        let client = cx.client().await?;
        let mut freed = prune::prune(client, &self.filter).await?;
        network_prune::prune(client, &self.filter).await?;
        if self.volumes {
            freed = freed.saturating_add(volume_prune::prune(client, &self.filter).await?);
        }
        let images = image_prune::prune(client, self.all, &self.filter).await?;
        let freed = units::size(freed.saturating_add(images));
        output::line(&format!("Total reclaimed space: {freed}"))?;
        Ok(0)
    }
}
