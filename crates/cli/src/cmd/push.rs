//! `push`: send an image to its registry.

use super::create::with_tag;
use super::progress::{self, To};
use super::pull::{named, qualified};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::{output, platform};
use client::{Call, credentials, encode};

#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Push a platform-specific manifest as a single-platform image to the registry
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    /// Skip image signing
    #[arg(long, hide = true, default_value = "true", value_name = "")]
    disable_content_trust: String,
    #[arg(required = true, hide = true)]
    image: String,
}

impl Action for Push {
    const ABOUT: &'static str = "Upload an image to a registry";
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG]";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let image = match self.all_tags {
            true => self.image.clone(),
            false => with_tag(&self.image),
        };
        if image != self.image && !self.quiet {
            output::line("Using default tag: latest")?;
        }
        let (name, tag) = named(&image);
        let shown = credentials::header(&image)?;
        let call = Call::post(format!("/images/{}/push", encode(name)))
            .query("tag", tag.unwrap_or_default())
            .optional("platform", platform::document(self.platform.as_deref())?)
            // COMPAT: dockerd wants the header, even if it says nothing.
            .header(credentials::HEADER, shown.as_deref().unwrap_or("e30="));
        let stream = cx.client().await?.json_stream(call).await?;
        let to = if self.quiet { To::Nowhere } else { To::Output };
        progress::show(stream, to).await?;
        if self.quiet {
            output::line(&qualified(&image))?;
        }
        Ok(0)
    }
}
