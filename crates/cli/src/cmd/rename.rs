//! `rename`: give a container another name.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(required = true, hide = true)]
    new_name: String,
}

impl Action for Rename {
    const ABOUT: &'static str = "Rename a container";
    const USAGE: &'static str = "CONTAINER NEW_NAME";
    const TAKES: Takes = Takes::Exactly(2);

    async fn run(self, cx: &Context) -> Result {
        let path = container(&self.container, "/rename");
        let call = Call::post(path).query("name", &self.new_name);
        cx.client().await?.done(call).await?;
        Ok(0)
    }
}
