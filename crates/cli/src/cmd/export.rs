//! `export`: a container's files as an archive.

use super::{container, save};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<PathBuf>,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Action for Export {
    const ABOUT: &'static str = "Export a container's filesystem as a tar archive";
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        save::refuse_terminal(self.output.as_deref())?;
        let call = Call::get(container(&self.container, "/export"));
        let stream = cx.client().await?.bytes_stream(call).await?;
        save::write(stream, self.output.as_deref()).await?;
        Ok(0)
    }
}
