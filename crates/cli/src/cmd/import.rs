//! `import`: an image from the tree in an archive.

use super::create::with_tag;
use super::load;
use super::progress::{self, To};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, value_name = "string")]
    message: Option<String>,
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    #[arg(required = true, hide = true)]
    source: String,
    #[arg(hide = true)]
    reference: Option<String>,
}

impl Action for Import {
    const ABOUT: &'static str = "Import the contents from a tarball to create a filesystem image";
    const USAGE: &'static str = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let is_url = self.source.contains("://");
        let from = if is_url { self.source.as_str() } else { "-" };
        let name = self.reference.as_deref().map(with_tag);
        let name = name.as_deref().and_then(|name| name.rsplit_once(':'));
        let mut call = Call::post("/images/create")
            .query("fromSrc", from)
            .optional("repo", name.map(|(repository, _)| repository))
            .optional("tag", name.map(|(_, tag)| tag))
            .optional("message", self.message.as_deref())
            .optional("platform", self.platform.as_deref());
        for change in &self.change {
            call = call.query("changes", change);
        }
        let call = match self.source.as_str() {
            "-" => call.stream(tokio::io::stdin()),
            _ if is_url => call,
            path => call.stream(load::open(Path::new(path)).await?),
        };
        let stream = cx.client().await?.json_stream(call).await?;
        progress::show(stream, To::Output).await?;
        Ok(0)
    }
}
