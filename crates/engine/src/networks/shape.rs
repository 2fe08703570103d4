//! A stored network in the words of the kernel's mechanisms.

use super::gateway::Gateways;
use crate::{EndpointState, NetworkRecord, NetworkState};
use net::{Addressing, Direct, Endpoint, Network, Outside, Peers, Port};
use std::net::IpAddr;
use types::ContainerId;

/// The network as its bridge and rules are made.
pub(super) fn network(record: &NetworkRecord) -> Network {
    let addressing = record.pools.iter().map(|pool| {
        let gateway = GatewayMode::of(record, pool.subnet.is_ipv6());
        let masks = record.switch("bridge.enable_ip_masquerade", true);
        Addressing {
            subnet: pool.subnet,
            gateway: pool.gateway.filter(|_| gateway != GatewayMode::Isolated),
            masked: masks && gateway != GatewayMode::Routed,
            direct: match gateway {
                GatewayMode::Nat | GatewayMode::Isolated => Direct::Nothing,
                GatewayMode::Routed => Direct::Published,
                GatewayMode::NatUnprotected => Direct::Everything,
            },
        }
    });
    Network {
        id: record.id.clone(),
        bridge: record.link.clone(),
        addressing: addressing.collect(),
        mtu: mtu(record),
        peers: match record.switch("bridge.enable_icc", true) {
            true => Peers::Reachable,
            false => Peers::Isolated,
        },
        outside: match record.internal {
            true => Outside::Closed,
            false => Outside::Open,
        },
        bare: record.switch("bridge.inhibit_ipv4", false),
    }
}

/// How a network's containers are reached from elsewhere, by one family
/// (`com.docker.network.bridge.gateway_mode_ipv4`, `_ipv6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GatewayMode {
    /// By ports of the host.
    Nat,
    /// By ports of the host, and by their own addresses whatever the port.
    NatUnprotected,
    /// By their own addresses, in published ports.
    Routed,
    /// Not at all, and not even the host is in the network.
    Isolated,
}

impl GatewayMode {
    /// A network's; what the options say was checked when it was made.
    pub(super) fn of(record: &NetworkRecord, ipv6: bool) -> Self {
        let mode = record.option(match ipv6 {
            false => "bridge.gateway_mode_ipv4",
            true => "bridge.gateway_mode_ipv6",
        });
        match mode {
            Some("routed") => Self::Routed,
            Some("nat-unprotected") => Self::NatUnprotected,
            Some("isolated") => Self::Isolated,
            _ => Self::Nat,
        }
    }
}

/// The largest packet in bytes.
pub(super) fn mtu(record: &NetworkRecord) -> Option<u32> {
    let mtu = record.option("driver.mtu")?.parse().ok()?;
    (mtu > 0).then_some(mtu)
}

/// A container's place as its link and rules are made.
pub(super) fn endpoint(
    container: &ContainerId,
    state: &NetworkState,
    place: &EndpointState,
) -> Endpoint {
    Endpoint {
        sandbox: container.to_string(),
        host_link: place.host_link.clone(),
        link: place.link.clone(),
        mac: place.mac,
        addresses: place.addresses(),
        link_local: place
            .link_local
            .iter()
            .map(|own| (*own, prefix(*own)))
            .collect(),
        settings: place.settings.clone(),
        gateways: Gateways::of(&state.endpoints).through(place),
        ports: ports(state, place),
    }
}

/// How many bits of an address of the link alone are the same on all links.
fn prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 16 } else { 64 }
}

/// The published ports that lead to the place; the proxy passes on what comes by IPv6 to one
/// without.
fn ports(state: &NetworkState, place: &EndpointState) -> Vec<Port> {
    let gateways = Gateways::of(&state.endpoints).through(place);
    let leads_here = |host: IpAddr| gateways.iter().any(|own| own.is_ipv4() == host.is_ipv4());
    let here = state.ports.iter().filter(|port| leads_here(port.host));
    here.map(|port| Port {
        protocol: port.transport(),
        host: port.host,
        host_port: port.host_port,
        port: port.port,
    })
    .collect()
}
