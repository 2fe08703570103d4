//! `commit`: an image of what a container is.

use super::create::with_tag;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use client::Call;
use docker_schema::IdResponse;

#[derive(Debug, clap::Args)]
pub(crate) struct Commit {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, value_name = "string")]
    author: Option<String>,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, value_name = "string")]
    message: Option<String>,
    /// Pause container during commit
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(hide = true)]
    reference: Option<String>,
}

impl Action for Commit {
    const ABOUT: &'static str = "Create a new image from a container's changes";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]";
    const TAKES: Takes = Takes::Between(1, 2);

    async fn run(self, cx: &Context) -> Result {
        let name = self.reference.as_deref().map(with_tag);
        let name = name.as_deref().and_then(|name| name.rsplit_once(':'));
        let mut call = Call::post("/commit")
            .query("container", &self.container)
            .optional("repo", name.map(|(repository, _)| repository))
            .optional("tag", name.map(|(_, tag)| tag))
            .optional("comment", self.message.as_deref())
            .optional("author", self.author.as_deref())
            .query("pause", if self.pause { "1" } else { "0" });
        for change in &self.change {
            call = call.query("changes", change);
        }
        let made: IdResponse = cx.client().await?.json(call).await?;
        output::line(&made.id)?;
        Ok(0)
    }
}
