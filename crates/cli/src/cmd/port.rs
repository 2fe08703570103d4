//! `port`: where a container's ports are published.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output;
use client::Call;
use docker_schema::container::{Inspect, PortBinding};

#[derive(Debug, clap::Args)]
pub(crate) struct Port {
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(hide = true)]
    private_port: Option<String>,
}

impl Action for Port {
    const ABOUT: &'static str = "List port mappings or a specific mapping for the container";
    const USAGE: &'static str = "CONTAINER [PRIVATE_PORT[/PROTO]]";
    const TAKES: Takes = Takes::Between(1, 2);

    async fn run(self, cx: &Context) -> Result {
        let call = Call::get(container(&self.container, "/json"));
        let found: Inspect = cx.client().await?.json(call).await?;
        let ports = found.network_settings.ports.unwrap_or_default();
        let Some(wanted) = &self.private_port else {
            for (port, bindings) in &ports {
                for binding in bindings.iter().flatten() {
                    output::line(&format!("{port} -> {}", address(binding)))?;
                }
            }
            return Ok(0);
        };
        let key = match wanted.contains('/') {
            true => wanted.clone(),
            false => format!("{wanted}/tcp"),
        };
        let bindings = ports.get(&key).cloned().flatten().filter(|b| !b.is_empty());
        let bindings = bindings.ok_or_else(|| {
            Failure::text(
                1,
                format!("no public port '{key}' published for {}", self.container),
            )
        })?;
        for binding in &bindings {
            output::line(&address(binding))?;
        }
        Ok(0)
    }
}

fn address(binding: &PortBinding) -> String {
    match binding.host_ip.contains(':') {
        true => format!("[{}]:{}", binding.host_ip, binding.host_port),
        false => format!("{}:{}", binding.host_ip, binding.host_port),
    }
}
