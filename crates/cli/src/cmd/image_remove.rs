//! `rmi`: remove names of images, and images without one.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output;
use client::{Call, encode};
use docker_schema::image::DeleteItem;

#[derive(Debug, clap::Args)]
pub(crate) struct ImageRemove {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    #[arg(required = true, hide = true)]
    images: Vec<String>,
}

impl Action for ImageRemove {
    const ABOUT: &'static str = "Remove one or more images";
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let mut failures = Vec::new();
        let mut only_absent = true;
        for image in &self.images {
            let call = Call::delete(format!("/images/{}", encode(image)))
                .flag("force", self.force)
                .flag("noprune", self.no_prune);
            match client.json::<Vec<DeleteItem>>(call).await {
                Ok(items) => print(&items)?,
                Err(error) => {
                    only_absent &= error.is_not_found();
                    failures.push(Failure::from(error));
                }
            }
        }
        match Failure::all(failures) {
            // COMPAT: with -f it is no failure if there is nothing to remove; it is still said.
            Err(failure) if self.force && only_absent => {
                failure.report();
                Ok(0)
            }
            result => result.map(|()| 0),
        }
    }
}

/// What was removed.
pub(crate) fn print(items: &[DeleteItem]) -> Result<()> {
    for item in items {
        match item.deleted.is_empty() {
            true => output::line(&format!("Untagged: {}", item.untagged))?,
            false => output::line(&format!("Deleted: {}", item.deleted))?,
        }
    }
    Ok(())
}
