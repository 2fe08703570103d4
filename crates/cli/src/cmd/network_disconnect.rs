//! `network disconnect`: take a container out of a network.

use super::network;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use client::Call;
use docker_schema::network::DisconnectRequest;

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkDisconnect {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, hide = true)]
    network: String,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Action for NetworkDisconnect {
    const ABOUT: &'static str = "Disconnect a container from a network";
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";
    const TAKES: Takes = Takes::Exactly(2);

    async fn run(self, cx: &Context) -> Result {
        let request = DisconnectRequest {
            container: self.container.clone(),
            force: self.force,
        };
        let call = Call::post(network(&self.network, "/disconnect")).json(&request)?;
        cx.client().await?.done(call).await?;
        Ok(0)
    }
}
