//! `load`: images from an archive, or from a directory with an OCI layout.

use super::layout;
use super::progress::{self, To};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::platform;
use client::Call;
use std::io::IsTerminal;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Read from tar archive file or OCI layout directory, instead of STDIN
    #[arg(short, long, value_name = "string")]
    input: Option<PathBuf>,
    /// Load only the given platform variant. Formatted as `os[/arch[/variant]]` (e.g., `linux/amd64`)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
}

impl Action for Load {
    const ABOUT: &'static str = "Load an image from a tar archive or STDIN";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let call = Call::post("/images/load")
            .query("quiet", if self.quiet { "1" } else { "0" })
            .optional("platform", platform::document(self.platform.as_deref())?);
        let directory = self.input.as_deref().filter(|path| path.is_dir());
        if let Some(directory) = directory {
            return layout::load(cx, call, directory).await;
        }
        let call = match &self.input {
            Some(path) => call.stream(open(path).await?),
            None if std::io::stdin().is_terminal() => {
                return Err(Failure::text(
                    1,
                    "requested load from stdin, but stdin is empty",
                ));
            }
            None => call.stream(tokio::io::stdin()),
        };
        let stream = cx.client().await?.json_stream(call).await?;
        progress::show(stream, To::Output).await?;
        Ok(0)
    }
}

/// Opens a file to be sent.
pub(crate) async fn open(path: &std::path::Path) -> Result<tokio::fs::File> {
    let opened = tokio::fs::File::open(path).await;
    opened.map_err(|error| Failure::text(1, format!("open {}: {error}", path.display())))
}
