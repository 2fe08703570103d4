//! `rm`: remove containers.

use super::{container, each};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove the specified link
    #[arg(short, long)]
    link: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Remove {
    const ABOUT: &'static str = "Remove one or more containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let call = |name: &str| {
            Call::delete(container(name.trim_matches('/'), ""))
                .flag("force", self.force)
                .flag("link", self.link)
                .flag("v", self.volumes)
        };
        let result = each(client, &self.containers, call).await;
        // COMPAT: with -f it is no failure if there is nothing to remove; it is still said.
        match result {
            Err(failure) if self.force && failure.message().lines().all(is_absent) => {
                failure.report();
                Ok(0)
            }
            result => result,
        }
    }
}

fn is_absent(line: &str) -> bool {
    line.contains("No such container")
}
