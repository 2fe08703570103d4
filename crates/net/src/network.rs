//! Networks, endpoints and ports, apart from any client's words for them.

use crate::Subnet;
use crate::link::Mac;
use std::net::IpAddr;

/// A transport protocol whose ports can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `IPPROTO_TCP`
    Tcp = 6,
    /// `IPPROTO_UDP`
    Udp = 17,
    /// `IPPROTO_SCTP`
    Sctp = 132,
}

/// One subnet of a network, and how it stands to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// Its addresses.
    pub subnet: Subnet,
    /// The host's own, which endpoints send through; none in a network that not even the host
    /// is in.
    pub gateway: Option<IpAddr>,
    /// What leaves it has the host's address.
    pub masked: bool,
    /// What others reach of it by its own addresses.
    pub direct: Direct,
}

/// What others reach of endpoints by the endpoints' own addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direct {
    /// Nothing: what is published is reached by the host's addresses.
    #[default]
    Nothing,
    /// Published ports, and echoes: `routed`. Endpoints of other networks are others too.
    Published,
    /// Everything, but for endpoints of other networks: `nat-unprotected`.
    Everything,
}

/// Whether endpoints of one network reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peers {
    /// They do.
    #[default]
    Reachable,
    /// They do not: `com.docker.network.bridge.enable_icc=false`.
    Isolated,
}

/// What endpoints reach beyond their network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// Everything.
    #[default]
    Open,
    /// Nothing: an internal network.
    Closed,
}

/// A network of endpoints behind one bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its id, which its link's alias carries.
    pub id: String,
    /// The bridge's name, at most 15 bytes.
    pub bridge: String,
    /// At most one subnet of each family.
    pub addressing: Vec<Addressing>,
    /// The largest packet in bytes; the kernel's default if `None`.
    pub mtu: Option<u32>,
    /// Whether endpoints reach each other.
    pub peers: Peers,
    /// What they reach beyond.
    pub outside: Outside,
    /// The bridge's own address is not set: `inhibit_ipv4`, or the gateway is another host.
    pub bare: bool,
}

/// A port of an endpoint that the host takes connections for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// Its protocol.
    pub protocol: Protocol,
    /// The host's address that is connected to; unspecified for all of its family.
    pub host: IpAddr,
    /// The host's port; 0 if the endpoint itself is reached ([`Direct::Published`]).
    pub host_port: u16,
    /// The endpoint's port.
    pub port: u16,
}

/// A sandbox's place in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The sandbox, which the host side's alias carries.
    pub sandbox: String,
    /// The name of the host side's link, at most 15 bytes.
    pub host_link: String,
    /// The name inside: `eth0`.
    pub link: String,
    /// The Ethernet address inside.
    pub mac: Mac,
    /// Its addresses with their subnets' prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Further addresses, of the link alone.
    pub link_local: Vec<(IpAddr, u8)>,
    /// Kernel parameters of the link: paths below `/proc/sys`, and values.
    pub settings: Vec<(String, String)>,
    /// Through which gateways it sends what has no other route; none if another endpoint of
    /// the sandbox has the default route. An unspecified address: by its link, without any.
    pub gateways: Vec<IpAddr>,
    /// Its published ports.
    pub ports: Vec<Port>,
}

impl Endpoint {
    /// The address that a port published for `host`'s family leads to.
    pub(crate) fn target(&self, host: IpAddr) -> Option<IpAddr> {
        self.addresses
            .iter()
            .map(|(address, _)| *address)
            .find(|a| a.is_ipv4() == host.is_ipv4())
    }
}
