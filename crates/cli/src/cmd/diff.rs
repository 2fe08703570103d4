//! `diff`: what a container changed of its image's files.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use client::Call;
use docker_schema::List;
use docker_schema::container::FilesystemChange;

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    #[arg(required = true, hide = true)]
    container: String,
}

impl Action for Diff {
    const ABOUT: &'static str =
        "Inspect changes to files or directories on a container's filesystem";
    const USAGE: &'static str = "CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let call = Call::get(container(&self.container, "/changes"));
        let changes: List<FilesystemChange> = cx.client().await?.json(call).await?;
        for change in changes.into_iter().flatten() {
            let kind = match change.kind {
                0 => "C",
                1 => "A",
                _ => "D",
            };
            output::line(&format!("{kind} {}", change.path))?;
        }
        Ok(0)
    }
}
