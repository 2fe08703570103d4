//! `pull`: fetch an image from a registry.

use super::create::with_tag;
use super::progress::{self, To};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use client::{Call, Client, credentials};

#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    /// Skip image verification
    #[arg(long, hide = true, default_value = "true", value_name = "")]
    disable_content_trust: String,
    #[arg(required = true, hide = true)]
    image: String,
}

impl Action for Pull {
    const ABOUT: &'static str = "Download an image from a registry";
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG|@DIGEST]";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let image = match self.all_tags {
            true => self.image.clone(),
            false => with_tag(&self.image),
        };
        if !self.all_tags && image != self.image && !self.quiet {
            output::line("Using default tag: latest")?;
        }
        let to = if self.quiet { To::Nowhere } else { To::Output };
        fetch(client, &image, self.platform.as_deref(), to).await?;
        output::line(&qualified(&image))?;
        Ok(0)
    }
}

/// COMPAT: docker names the image in full at the end.
pub(crate) fn qualified(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
    }
}

/// The name and the tag or digest of an image.
pub(crate) fn named(image: &str) -> (&str, Option<&str>) {
    match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (image, None),
        },
    }
}

/// Pulls for another command, without a word.
pub(crate) async fn silently(client: &Client, image: &str, platform: Option<&str>) -> Result<()> {
    fetch(client, &with_tag(image), platform, To::Nowhere).await
}

/// Pulls for another command.
pub(crate) async fn to_standard_error(
    client: &Client,
    image: &str,
    platform: Option<&str>,
) -> Result<()> {
    fetch(client, &with_tag(image), platform, To::Error).await
}

async fn fetch(client: &Client, image: &str, platform: Option<&str>, to: To) -> Result<()> {
    let (name, tag) = named(image);
    let shown = credentials::header(image)?;
    let call = Call::post("/images/create")
        .query("fromImage", name)
        .optional("tag", tag)
        .optional("platform", platform)
        .header(credentials::HEADER, shown.as_deref().unwrap_or("e30="));
    let stream = client.json_stream(call).await?;
    progress::show(stream, to).await.map(drop)
}
