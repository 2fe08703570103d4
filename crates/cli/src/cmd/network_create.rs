//! `network create`: make a network.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::options::key_value::map;
use crate::output;
use client::Call;
use docker_schema::network::{ConfigReference, CreateRequest, CreateResponse, Ipam, IpamConfig};

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkCreate {
    /// Enable manual container attachment
    #[arg(long)]
    attachable: bool,
    /// Auxiliary IPv4 or IPv6 addresses used by Network driver
    #[arg(long, value_name = "map")]
    aux_address: Vec<String>,
    /// The network from which to copy the configuration
    #[arg(long, value_name = "string")]
    config_from: Option<String>,
    /// Create a configuration only network
    #[arg(long)]
    config_only: bool,
    /// Driver to manage the Network
    #[arg(short, long, value_name = "string", default_value = "bridge")]
    driver: String,
    /// IPv4 or IPv6 Gateway for the master subnet
    #[arg(long, value_name = "ipSlice")]
    gateway: Vec<String>,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Allocate container ip from a sub-range
    #[arg(long, value_name = "ipNetSlice")]
    ip_range: Vec<String>,
    /// IP Address Management Driver
    #[arg(long, value_name = "string", default_value = "default")]
    ipam_driver: String,
    /// Set IPAM driver specific options
    #[arg(long, value_name = "map")]
    ipam_opt: Vec<String>,
    /// Enable or disable IPv4 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "bool")]
    ipv4: Option<bool>,
    /// Enable or disable IPv6 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "bool")]
    ipv6: Option<bool>,
    /// Set metadata on a network
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_name = "ipNetSlice")]
    subnet: Vec<String>,
    #[arg(required = true, hide = true)]
    name: String,
}

impl Action for NetworkCreate {
    const ABOUT: &'static str = "Create a network";
    const USAGE: &'static str = "[OPTIONS] NETWORK";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let request = CreateRequest {
            name: self.name.clone(),
            driver: self.driver.clone(),
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6,
            internal: self.internal,
            attachable: self.attachable,
            config_only: self.config_only,
            config_from: self
                .config_from
                .clone()
                .map(|network| ConfigReference { network }),
            options: Some(map(&self.opt)),
            labels: Some(map(&self.label)),
            ipam: Some(Ipam {
                driver: self.ipam_driver.clone(),
                options: Some(map(&self.ipam_opt)),
                config: Some(self.pools().map_err(|reason| Failure::text(1, reason))?),
            }),
            ..CreateRequest::default()
        };
        let call = Call::post("/networks/create").json(&request)?;
        let created: CreateResponse = cx.client().await?.json(call).await?;
        output::line(&created.id)?;
        Ok(0)
    }
}

/// A subnet as a number of leading bits of an address.
fn subnet(text: &str) -> Option<(std::net::IpAddr, u32)> {
    let (address, prefix) = text.split_once('/')?;
    Some((address.parse().ok()?, prefix.parse().ok()?))
}

fn holds(outer: &str, address: std::net::IpAddr) -> bool {
    let Some((first, prefix)) = subnet(outer) else {
        return false;
    };
    let bits = |address| match address {
        std::net::IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32_u32),
        std::net::IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let ((a, width), (b, other)) = (bits(first), bits(address));
    let shift = 128_u32.saturating_sub(prefix);
    width == other && (shift >= 128 || a >> shift == b >> shift)
}

impl NetworkCreate {
    /// Ranges, gateways and auxiliary addresses, each with the subnet that holds it.
    fn pools(&self) -> std::result::Result<Vec<IpamConfig>, String> {
        let lonely = !self.ip_range.is_empty() || !self.gateway.is_empty();
        if self.subnet.is_empty() && lonely {
            return Err("every ip-range or gateway must have a corresponding subnet".to_owned());
        }
        let pools = self.subnet.iter().map(|subnet| IpamConfig {
            subnet: subnet.clone(),
            ..IpamConfig::default()
        });
        let mut pools: Vec<_> = pools.collect();
        for range in &self.ip_range {
            let first = subnet(range).map(|(first, _)| first);
            let pool = first.and_then(|first| holder(&mut pools, first));
            let pool = pool.ok_or_else(|| format!("no matching subnet for range {range}"))?;
            if !pool.ip_range.is_empty() {
                let subnet = &pool.subnet;
                return Err(format!(
                    "cannot configure multiple ranges ({range}, {}) on the same subnet ({subnet})",
                    pool.ip_range
                ));
            }
            pool.ip_range.clone_from(range);
        }
        for gateway in &self.gateway {
            let address = gateway.parse().ok();
            let pool = address.and_then(|address| holder(&mut pools, address));
            let pool = pool.ok_or_else(|| format!("no matching subnet for gateway {gateway}"))?;
            pool.gateway.clone_from(gateway);
        }
        for (name, text) in map(&self.aux_address) {
            let address = text.parse().ok();
            let pool = address.and_then(|address| holder(&mut pools, address));
            let pool = pool.ok_or_else(|| format!("no matching subnet for aux-address {text}"))?;
            let addresses = pool.auxiliary_addresses.get_or_insert_default();
            addresses.insert(name, text);
        }
        Ok(pools)
    }
}

fn holder(pools: &mut [IpamConfig], address: std::net::IpAddr) -> Option<&mut IpamConfig> {
    pools.iter_mut().find(|pool| holds(&pool.subnet, address))
}
