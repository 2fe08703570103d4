//! `network connect`: join a container to a network.

use super::network;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use client::Call;
use docker_schema::network::{ConnectRequest, EndpointIpamConfig, EndpointSettings};

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkConnect {
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "strings")]
    alias: Vec<String>,
    /// driver options for the network
    #[arg(long, value_name = "strings")]
    driver_opt: Vec<String>,
    /// Highest gw-priority provides the default gateway. Accepts positive and negative values.
    #[arg(
        long,
        value_name = "int",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    gw_priority: i64,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long, value_name = "ip")]
    ip: Option<String>,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long, value_name = "ip")]
    ip6: Option<String>,
    /// Add link to another container
    #[arg(long, value_name = "list")]
    link: Vec<String>,
    /// Add a link-local address for the container
    #[arg(long, value_name = "ipSlice")]
    link_local_ip: Vec<String>,
    #[arg(required = true, hide = true)]
    network: String,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Action for NetworkConnect {
    const ABOUT: &'static str = "Connect a container to a network";
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";
    const TAKES: Takes = Takes::Exactly(2);

    async fn run(self, cx: &Context) -> Result {
        let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
        let options = self.driver_opt.iter().map(|text| {
            let pair = text.split_once('=');
            let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
            pair.ok_or_else(|| Failure::text(1, "invalid key value pair format in driver options"))
        });
        let options: std::collections::BTreeMap<_, _> = options.collect::<Result<_>>()?;
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: self.ip.clone().unwrap_or_default(),
                ipv6_address: self.ip6.clone().unwrap_or_default(),
                link_local_ips: list(&self.link_local_ip),
            }),
            links: list(&self.link),
            aliases: list(&self.alias),
            driver_opts: (!options.is_empty()).then_some(options),
            gw_priority: self.gw_priority,
            ..EndpointSettings::default()
        };
        let request = ConnectRequest {
            container: self.container.clone(),
            endpoint_config: Some(endpoint),
        };
        let call = Call::post(network(&self.network, "/connect")).json(&request)?;
        cx.client().await?.done(call).await?;
        Ok(0)
    }
}
