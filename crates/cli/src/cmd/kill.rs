//! `kill`: send a signal to running containers.

use super::{container, each};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string")]
    signal: Option<String>,
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Kill {
    const ABOUT: &'static str = "Kill one or more running containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let call = |name: &str| {
            Call::post(container(name, "/kill")).optional("signal", self.signal.as_deref())
        };
        each(cx.client().await?, &self.containers, call).await
    }
}
