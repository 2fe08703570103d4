//! `volume rm`: remove volumes.

use super::each;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::{Call, encode};

#[derive(Debug, clap::Args)]
pub(crate) struct VolumeRemove {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, hide = true)]
    volumes: Vec<String>,
}

impl Action for VolumeRemove {
    const ABOUT: &'static str = "Remove one or more volumes";
    const USAGE: &'static str = "[OPTIONS] VOLUME [VOLUME...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        each(cx.client().await?, &self.volumes, |name| {
            Call::delete(format!("/volumes/{}", encode(name))).flag("force", self.force)
        })
        .await
    }
}
