//! A container's place in a network, as it was asked for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A container's place in a network, as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSpec {
    /// Further names under which the network's other containers find it.
    pub aliases: Vec<String>,
    /// Containers that it finds under other names, `NAME[:ALIAS]`.
    pub links: Vec<String>,
    /// Addresses asked for; `None`: the caller said nothing of addresses.
    pub addresses: Option<AddressSpec>,
    /// The Ethernet address, six bytes in hexadecimal digits; empty: any.
    pub mac: String,
    /// The driver's own options.
    pub options: BTreeMap<String, String>,
    /// The network with the highest has the default route; among equals the first by name.
    pub gateway_priority: i64,
}

/// Addresses asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressSpec {
    /// Of IPv4.
    pub ipv4: Option<Ipv4Addr>,
    /// Of IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// Further ones of the link alone.
    pub link_local: Vec<IpAddr>,
}

impl EndpointSpec {
    /// The address asked for in a family.
    pub(crate) fn address(&self, ipv6: bool) -> Option<IpAddr> {
        let asked = self.addresses.as_ref()?;
        match ipv6 {
            true => asked.ipv6.map(IpAddr::V6),
            false => asked.ipv4.map(IpAddr::V4),
        }
    }
}
