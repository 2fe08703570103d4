//! A container's interface in a network, and what the caller asks for it.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A container's interface in a network: what the specification calls an attachment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachment {
    /// The container or sandbox.
    pub container: String,
    /// The path of its network namespace; empty when it is gone, for a deletion alone.
    pub netns: String,
    /// The interface's name in there.
    pub interface: String,
    /// `CNI_ARGS`, in order.
    pub args: Vec<(String, String)>,
    /// What plugins are asked for if they say that they can do it.
    pub capabilities: Capabilities,
}

/// What plugins are told in `runtimeConfig`, each if its configuration has the capability.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Ports of the host that lead to the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub port_mappings: Vec<PortMapping>,
    /// Ranges of addresses, one list a set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_ranges: Vec<Vec<IpRange>>,
    /// Limits of speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Name servers and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Resolver>,
    /// Addresses wanted, with or without a prefix length.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// The Ethernet address wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Names of the container in this network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The container's cgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_path: Option<String>,
    /// Capabilities that have no field here, by name.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// A port of the host that leads to the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// On the host.
    pub host_port: u16,
    /// In the container.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The host's address; all of them if empty.
    #[serde(default, rename = "hostIP", skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
}

/// A range of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpRange {
    /// In CIDR notation.
    pub subnet: String,
    /// The first to be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_start: Option<String>,
    /// The last to be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_end: Option<String>,
    /// The gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// Limits of speed: bits a second, and bits at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bandwidth {
    /// Into the container.
    pub ingress_rate: u64,
    /// At once into it.
    pub ingress_burst: u64,
    /// Out of the container.
    pub egress_rate: u64,
    /// At once out of it.
    pub egress_burst: u64,
}

/// What the container's resolver is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resolver {
    /// Name servers by address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Domains that short names are looked up in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<String>,
    /// Options of resolv.conf(5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Capabilities {
    /// By the names that configurations have them by.
    pub(crate) fn by_name(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }
}

/// Whether a name may be a container's or network's: it is a part of file names.
pub(crate) fn is_identifier(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let rest = |c: char| plain(c) || matches!(c, '_' | '.' | '-');
    text.starts_with(plain) && text.chars().all(rest) && text.len() <= 200
}

impl Attachment {
    /// Checks what plugins will be told; `netns` may only be empty for a deletion.
    pub(crate) fn check(&self, deletion: Deletion) -> Result<(), Error> {
        let refused = |field, value: &str, reason| {
            let value = value.to_owned();
            Err(Error::Attachment {
                field,
                value,
                reason,
            })
        };
        if !is_identifier(&self.container) {
            let reason = "is not letters, digits, '_', '.', '-' after a letter or digit";
            return refused("container id", &self.container, reason);
        }
        let name = &self.interface;
        let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0';
        if name.is_empty() || name.len() > 15 || name == "." || name == ".." {
            return refused("interface name", name, "is not of 1 to 15 bytes");
        }
        if name.contains(forbidden) {
            return refused("interface name", name, "has '/', ':' or white space");
        }
        if self.netns.contains('\0') || (self.netns.is_empty() && deletion == Deletion::No) {
            return refused("network namespace", &self.netns, "is not a path");
        }
        let ambiguous = |text: &str| text.is_empty() || text.contains([';', '=', '\0']);
        for (key, value) in &self.args {
            if ambiguous(key) || value.contains([';', '\0']) {
                return refused("argument", key, "has ';' or is no name");
            }
        }
        Ok(())
    }

    /// `CNI_ARGS`
    pub(crate) fn args_text(&self) -> String {
        let pairs = self
            .args
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(";")
    }
}

/// Whether an attachment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    Yes,
    No,
}
