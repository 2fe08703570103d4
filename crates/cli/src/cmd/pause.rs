//! `pause`: freeze containers.

use super::{container, each};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Pause {
    const ABOUT: &'static str = "Pause all processes within one or more containers";
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let call = |name: &str| Call::post(container(name, "/pause"));
        each(cx.client().await?, &self.containers, call).await
    }
}
