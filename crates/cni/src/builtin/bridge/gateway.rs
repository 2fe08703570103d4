//! The gateway of a bridge's pods: the bridge, or the host's own link to their VLAN.

use super::Bridge;
use crate::Success;
use crate::builtin::Failure;
use crate::builtin::links::{self, Netns};
use net::link::{self, Details, Link, Mac, Port, Settings};
use net::{Subnet, address};
use netlink::Socket;
use std::net::IpAddr;

impl Bridge {
    /// The link that has the gateways' addresses.
    pub(super) fn gateway_name(&self) -> String {
        let bridge = &self.document.bridge;
        match self.vlans.native() {
            Some(number) => format!("{bridge}.{number}"),
            None => bridge.clone(),
        }
    }

    /// Gives the bridge, or the host's own link to the VLAN, the gateways' addresses. Names that
    /// link.
    pub(super) fn be_gateway(
        &self,
        host: &mut Socket,
        bridge: Link,
        success: &Success,
    ) -> Result<Option<(String, Option<Mac>)>, Failure> {
        let name = self.gateway_name();
        if self.vlans.native().is_none() {
            self.address(host, bridge, &name, success)?;
            return Ok(None);
        }
        let own = self.ensure_gateway(host, bridge, &name)?;
        self.address(host, own.link, &name, success)?;
        Ok(Some((name, own.mac)))
    }

    /// The host's link to the VLAN, made if it is not there.
    fn ensure_gateway(
        &self,
        host: &mut Socket,
        bridge: Link,
        name: &str,
    ) -> Result<Details, Failure> {
        match link::details(host, name) {
            Err(net::Error::NoLink { .. }) => {}
            found => return Ok(found?),
        }
        let wanted = Settings {
            name,
            mtu: self.mtu(),
            ..Settings::default()
        };
        let (port, _) = links::add_pair(host, &Netns::host()?, &wanted)?;
        link::set_master(host, port.link, bridge, Port::default())?;
        self.vlans.of_gateway().give(host, port.link)?;
        let own = link::details(host, name)?;
        link::set_up(host, own.link)?;
        Ok(own)
    }

    fn address(
        &self,
        host: &mut Socket,
        bridge: Link,
        name: &str,
        success: &Success,
    ) -> Result<(), Failure> {
        let there = address::lasting(host, bridge)?;
        let mut changed = false;
        for given in &success.ips {
            let (Some(gateway), Some((_, prefix))) = (given.gateway, given.parts()) else {
                continue;
            };
            if there.contains(&(gateway, prefix)) {
                continue;
            }
            let own = Subnet::holding(gateway, prefix);
            let clashes = |(ip, length): &(IpAddr, u8)| match (own, Subnet::holding(*ip, *length)) {
                (Some(own), Some(other)) if own.is_ipv6() => own.overlaps(&other),
                _ => ip.is_ipv4() && gateway.is_ipv4(),
            };
            for (ip, length) in there.iter().filter(|other| clashes(other)) {
                if !self.document.force_address {
                    return Err(Failure::new(format!(
                        "{name:?} already has an IP address different from {gateway}/{prefix}"
                    )));
                }
                address::remove(host, bridge, *ip, *length)?;
            }
            if gateway.is_ipv6() {
                links::sysctl(&format!("ipv6/conf/{name}/disable_ipv6"), "0").ok();
                links::sysctl(&format!("ipv6/conf/{name}/accept_dad"), "0").ok();
            }
            address::add(host, bridge, gateway, prefix)?;
            changed = true;
        }
        // It keeps its Ethernet address, whatever ports come and go.
        if let (true, Some(mac)) = (changed, link::details(host, name)?.mac) {
            link::set_mac(host, bridge, mac)?;
        }
        Ok(())
    }
}
