//! Where a container is in its networks now.

use crate::container_spec::protocol_name;
use net::Protocol;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use types::ContainerId;

/// Where a container is in its networks now: from the start to the end of its program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkState {
    /// The id of its network namespace; empty while it has none.
    pub sandbox: String,
    /// The container whose network namespace it is in, if that is not its own.
    pub donor: Option<ContainerId>,
    /// Its place in each of its networks, better ones for the default routes first.
    pub endpoints: Vec<EndpointState>,
    /// The ports that the host takes connections for.
    pub ports: Vec<PublishedPort>,
    /// Who resolves names that no network knows; empty: the host's name servers.
    pub name_servers: Vec<IpAddr>,
    /// Places that are being given to it or taken away. They are gone when the next daemon has
    /// taken over from one that was stopped meanwhile.
    pub unsettled: Vec<EndpointState>,
    /// Names of one label that no network knows are nobody's, until a domain is searched.
    pub single_labels_stay: bool,
}

impl NetworkState {
    /// Whether one of its places is in a network by which others reach its ports.
    pub fn leads_out(&self) -> bool {
        let mut places = self.endpoints.iter();
        places.any(|place| {
            place.is_bridged() && (place.gateway4.is_some() || place.gateway6.is_some())
        })
    }
}

/// A container's place in one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointState {
    /// The network's id.
    pub network: String,
    /// The network's name, as the container's specification has it.
    pub name: String,
    /// Its own id, 64 hexadecimal digits.
    pub id: String,
    /// The Ethernet address; all zeros where it is the parent's.
    pub mac: [u8; 6],
    /// Its address of IPv4, and the prefix length of the subnet.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    /// Its address of IPv6, and the prefix length of the subnet.
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// What it sends through; the unspecified address if that is its link alone.
    pub gateway4: Option<Ipv4Addr>,
    /// What it sends through.
    pub gateway6: Option<Ipv6Addr>,
    /// The link's name on the host; empty if it has none there.
    pub host_link: String,
    /// The link's name inside.
    pub link: String,
    /// Under which names other members of the network find it; none where nobody is found by
    /// name.
    pub names: Vec<String>,
    /// Further addresses, of the link alone.
    pub link_local: Vec<IpAddr>,
    /// Kernel parameters of the link inside: paths below `/proc/sys`, and values.
    pub settings: Vec<(String, String)>,
    /// Names that this container alone knows, and the names of the members they lead to.
    pub links: BTreeMap<String, String>,
}

/// A port that the host takes connections for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The container's port.
    pub port: u16,
    /// TCP 6, UDP 17, SCTP 132.
    pub protocol: u8,
    /// The host's address.
    pub host: IpAddr,
    /// The host's port; 0 if the container itself is reached, as its network is `routed`.
    pub host_port: u16,
}

impl PublishedPort {
    /// The transport protocol.
    pub(crate) fn transport(&self) -> Protocol {
        match self.protocol {
            17 => Protocol::Udp,
            132 => Protocol::Sctp,
            _ => Protocol::Tcp,
        }
    }

    /// `80/tcp`
    pub fn key(&self) -> String {
        format!("{}/{}", self.port, self.protocol_name())
    }

    /// `tcp`, `udp` or `sctp`.
    pub fn protocol_name(&self) -> &'static str {
        protocol_name(self.transport())
    }
}

impl EndpointState {
    /// Whether it is behind a bridge of the host's.
    pub(crate) fn is_bridged(&self) -> bool {
        !self.host_link.is_empty()
    }

    /// Its addresses with their subnets' prefix lengths.
    pub(crate) fn addresses(&self) -> Vec<(IpAddr, u8)> {
        let four = self.ipv4.map(|(address, prefix)| (address.into(), prefix));
        let six = self.ipv6.map(|(address, prefix)| (address.into(), prefix));
        four.into_iter().chain(six).collect()
    }
}

/// An Ethernet address as people write it; empty for all zeros.
pub fn mac_text(mac: [u8; 6]) -> String {
    if mac == [0; 6] {
        return String::new();
    }
    let words: Vec<_> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    words.join(":")
}

/// Reads an Ethernet address.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut words = text.split([':', '-']);
    for byte in &mut mac {
        let word = words.next().filter(|word| word.len() == 2)?;
        *byte = u8::from_str_radix(word, 16).ok()?;
    }
    words.next().is_none().then_some(mac)
}
