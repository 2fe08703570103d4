//! `image inspect`: everything about images.

use super::inspect::{Kind, show};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;

#[derive(Debug, clap::Args)]
pub(crate) struct ImageInspect {
    /// Format output using a custom template: 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
    #[arg(required = true, hide = true)]
    images: Vec<String>,
}

impl Action for ImageInspect {
    const ABOUT: &'static str = "Display detailed information on one or more images";
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        show(
            cx,
            &self.images,
            &[Kind::Image],
            false,
            self.format.as_deref(),
        )
        .await
    }
}
