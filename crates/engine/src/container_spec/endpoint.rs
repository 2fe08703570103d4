//! A container's place in a network, as it was asked for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A container's place in a network, as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSpec {
    /// Further names under which the network's other containers find it; `None`: the caller
    /// said nothing of names.
    pub aliases: Option<Vec<String>>,
    /// Containers that it finds under other names, `NAME[:ALIAS]`.
    pub links: Vec<String>,
    /// Addresses asked for; `None`: the caller said nothing of addresses.
    pub addresses: Option<AddressSpec>,
    /// The Ethernet address, six bytes in hexadecimal digits; empty: any.
    pub mac: String,
    /// Options of the place: the link's name and kernel parameters. Others are shown only, as
    /// by dockerd. `None`: the caller said nothing of options.
    pub options: Option<BTreeMap<String, String>>,
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

/// What the options of a place begin with that are heeded.
const OPTION: &str = "com.docker.network.endpoint.";

impl EndpointSpec {
    /// The further names.
    pub fn aliases(&self) -> &[String] {
        self.aliases.as_deref().unwrap_or_default()
    }

    fn option(&self, name: &str) -> Option<&str> {
        let value = self.options.as_ref()?.get(&format!("{OPTION}{name}"));
        value.map(String::as_str)
    }

    /// The link's name that is asked for.
    pub(crate) fn link_name(&self) -> Option<&str> {
        self.option("ifname").filter(|name| !name.is_empty())
    }

    /// The link's kernel parameters that are asked for: `net.ipv4.conf.IFNAME.NAME=VALUE`.
    pub(crate) fn sysctls(&self) -> impl Iterator<Item = &str> {
        let list = self.option("sysctls").into_iter();
        list.flat_map(|list| list.split(',')).map(str::trim)
    }

    /// What of them is about no link, in dockerd's words.
    pub(crate) fn wrong_sysctls(&self) -> impl Iterator<Item = String> {
        let wrong = self.sysctls().filter(|text| !is_of_link(text));
        wrong.map(|text| {
            format!(
                "unrecognised network interface sysctl '{}'; represent 'net.X.Y.ethN.Z=V' as \
                 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'",
                text.to_lowercase()
            )
        })
    }

    /// The kernel parameters of the link `name`: their paths below `/proc/sys`, and values.
    ///
    /// # Errors
    /// In dockerd's words.
    pub(crate) fn settings(&self, name: &str) -> Result<Vec<(String, String)>, String> {
        let settings = self.sysctls().map(|text| {
            let shown = text.to_lowercase();
            let (path, value) = text
                .split_once('=')
                .ok_or_else(|| format!("expected sysctl '{shown}' to have format name=value"))?;
            let parts: Vec<&str> = path.split('.').collect();
            match *parts {
                ["net", family, kind, _, last] if is_word(last) => Ok((
                    format!("net/{family}/{kind}/{name}/{last}"),
                    value.to_owned(),
                )),
                _ => Err(format!(
                    "expected sysctl '{shown}' to have format net.X.Y.IFNAME.Z"
                )),
            }
        });
        settings.collect()
    }

    /// The address asked for in a family.
    pub(crate) fn address(&self, ipv6: bool) -> Option<IpAddr> {
        let asked = self.addresses.as_ref()?;
        match ipv6 {
            true => asked.ipv6.map(IpAddr::V6),
            false => asked.ipv4.map(IpAddr::V4),
        }
    }
}

fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !text.is_empty() && text.chars().all(plain)
}

fn is_of_link(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(5, '.').collect();
    match *parts {
        ["net", "ipv4" | "ipv6" | "mpls", kind, name, _] => {
            is_word(kind) && name.eq_ignore_ascii_case("ifname")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(sysctls: &str) -> EndpointSpec {
        let option = (format!("{OPTION}sysctls"), sysctls.to_owned());
        EndpointSpec {
            options: Some(BTreeMap::from([option])),
            ..EndpointSpec::default()
        }
    }

    #[test]
    fn parameters_are_the_links_own() {
        let asked = with("net.ipv4.conf.IFNAME.rp_filter=2, net.mpls.conf.ifname.input=1");
        assert_eq!(asked.wrong_sysctls().next(), None);
        let set = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        let expected = vec![
            set("net/ipv4/conf/eth7/rp_filter", "2"),
            set("net/mpls/conf/eth7/input", "1"),
        ];
        assert_eq!(asked.settings("eth7"), Ok(expected));
        for wrong in [
            "",
            "net.ipv4.ip_forward=1",
            "net.ipv4.conf.eth0.rp_filter=1",
            "kernel.shmmax=1",
            "net.ipv4.conf/../conf.IFNAME.rp_filter=1",
            "net.ipv4.conf.IFNAME/../eth0.rp_filter=1",
        ] {
            assert_eq!(with(wrong).wrong_sysctls().count(), 1, "{wrong}");
        }
        for bad in [
            "net.ipv4.conf.IFNAME.rp_filter",
            "net.ipv4.conf.IFNAME.a.b=1",
            "net.ipv4.conf.IFNAME.../../all/rp_filter=1",
        ] {
            assert!(with(bad).settings("eth0").is_err(), "{bad}");
        }
    }
}
