//! `tag`: give an image another name.

use super::create::with_tag;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::{Call, encode};

#[derive(Debug, clap::Args)]
pub(crate) struct Tag {
    #[arg(required = true, hide = true)]
    source: String,
    #[arg(required = true, hide = true)]
    target: String,
}

impl Action for Tag {
    const ABOUT: &'static str = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE";
    const USAGE: &'static str = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]";
    const TAKES: Takes = Takes::Exactly(2);

    async fn run(self, cx: &Context) -> Result {
        let target = with_tag(&self.target);
        let (repository, tag) = target.rsplit_once(':').unwrap_or((&target, "latest"));
        let call = Call::post(format!("/images/{}/tag", encode(&self.source)))
            .query("repo", repository)
            .query("tag", tag);
        cx.client().await?.done(call).await?;
        Ok(0)
    }
}
