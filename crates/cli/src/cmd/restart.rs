//! `restart`: stop and start containers.

use super::{container, each};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string")]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, value_name = "int", alias = "time")]
    timeout: Option<i64>,
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Restart {
    const ABOUT: &'static str = "Restart one or more containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let call = |name: &str| {
            let timeout = self.timeout.map(|seconds| seconds.to_string());
            Call::post(container(name, "/restart"))
                .optional("signal", self.signal.as_deref())
                .optional("t", timeout)
        };
        each(cx.client().await?, &self.containers, call).await
    }
}
