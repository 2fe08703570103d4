//! `stop`: ask running containers to end, and kill those that do not.

use super::{container, each};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string")]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, value_name = "int", alias = "time")]
    timeout: Option<i64>,
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Stop {
    const ABOUT: &'static str = "Stop one or more running containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let call = |name: &str| {
            let timeout = self.timeout.map(|seconds| seconds.to_string());
            Call::post(container(name, "/stop"))
                .optional("signal", self.signal.as_deref())
                .optional("t", timeout)
        };
        each(cx.client().await?, &self.containers, call).await
    }
}
