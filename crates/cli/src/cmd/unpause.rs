//! `unpause`: let frozen containers run on.

use super::{container, each};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Unpause {
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Unpause {
    const ABOUT: &'static str = "Unpause all processes within one or more containers";
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let call = |name: &str| Call::post(container(name, "/unpause"));
        each(cx.client().await?, &self.containers, call).await
    }
}
