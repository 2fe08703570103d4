//! A network as it is stored.

use crate::{Event, EventType};
use net::Subnet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use types::Timestamp;

/// How a network's endpoints are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkDriver {
    /// Behind a bridge of the host's.
    #[default]
    Bridge,
    /// Directly on a link of the host's, each with an Ethernet address of its own.
    Macvlan,
    /// Directly on a link of the host's, under its Ethernet address.
    Ipvlan,
    /// The host's own.
    Host,
    /// Loopback alone.
    Null,
}

impl NetworkDriver {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Host => "host",
            Self::Null => "null",
        }
    }

    /// Whether endpoints are on a link of the host's, the network's parent.
    pub(crate) fn has_parent(self) -> bool {
        matches!(self, Self::Macvlan | Self::Ipvlan)
    }
}

/// A range of addresses of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPool {
    /// All of them.
    pub subnet: Subnet,
    /// Those that are given to endpoints which ask for none; `None`: all.
    pub range: Option<Subnet>,
    /// What endpoints send through; `None`: there is no way out.
    pub gateway: Option<IpAddr>,
    /// The gateway was chosen by us for a caller who gave the subnet. COMPAT: such a one is
    /// not shown.
    #[serde(default)]
    pub implied_gateway: bool,
    /// Addresses that others have, by name.
    pub auxiliary: BTreeMap<String, IpAddr>,
    /// The caller chose the subnet.
    pub chosen: bool,
}

/// A network as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// How endpoints are joined.
    pub driver: NetworkDriver,
    /// Endpoints have addresses of IPv4.
    pub ipv4: bool,
    /// Endpoints have addresses of IPv6.
    pub ipv6: bool,
    /// Nothing beyond the network is reached.
    pub internal: bool,
    /// Containers outside a swarm's services may join: information only.
    pub attachable: bool,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of the address management, as they were given.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Its addresses: at most one pool of each family.
    pub pools: Vec<AddressPool>,
    /// The bridge's name, or the parent's.
    pub link: String,
    /// It is the daemon's own and cannot be removed.
    pub predefined: bool,
    /// It is what other networks are made from, and cannot be joined.
    #[serde(default)]
    pub config_only: bool,
    /// The name of the network whose configuration it took.
    #[serde(default)]
    pub config_from: Option<String>,
}

impl metadata::Record for NetworkRecord {
    const TABLE: &'static str = "networks";
    const VERSION: u16 = 1;
}

impl NetworkRecord {
    /// An event about it, as Docker's clients know it.
    pub(crate) fn event<const N: usize>(
        &self,
        action: &str,
        attributes: [(&str, &str); N],
    ) -> Event {
        let mut all = BTreeMap::from([
            ("name".to_owned(), self.name.clone()),
            ("type".to_owned(), self.driver.name().to_owned()),
        ]);
        for (name, value) in attributes {
            all.insert(name.to_owned(), value.to_owned());
        }
        Event {
            object: EventType::Network,
            action: action.to_owned(),
            id: self.id.clone(),
            attributes: all,
        }
    }

    /// The value of one of the driver's options, under its name without Docker's prefix.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let value = self.options.get(&format!("com.docker.network.{name}"));
        value.map(String::as_str)
    }

    /// Whether a switch among the options is on.
    pub(crate) fn switch(&self, name: &str, default: bool) -> bool {
        match self.option(name) {
            Some(text) => truth(text).unwrap_or(default),
            None => default,
        }
    }

    /// Whether endpoints are found by name: everywhere but on the default bridge.
    pub fn has_names(&self) -> bool {
        !self.predefined
    }
}

/// Go's reading of a truth value.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
