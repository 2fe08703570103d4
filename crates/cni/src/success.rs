//! Results of additions: kept in the form of 1.1, read and written in that of any version.

use crate::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// What an addition made, in the form of 1.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Success {
    /// The links, of the host and of the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// The addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<Address>,
    /// The container's routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What its resolver is to be told.
    #[serde(skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its Ethernet address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// The largest packet in bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// The path of its namespace; empty for the host's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// A socket that stands for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// The device that it is.
    #[serde(rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The place of its link in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<u32>,
    /// With its prefix length.
    pub address: String,
    /// Its gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to, in CIDR notation.
    pub dst: String,
    /// By which gateway; without one, the address's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// The largest packet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// The largest TCP segment to tell the other side.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub advmss: u32,
    /// The lower one goes first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u32,
    /// The routing table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// How far away it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

/// What a resolver is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Name servers by address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains that short names are looked up in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of resolv.conf(5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Address {
    /// The address alone.
    pub fn ip(&self) -> Option<IpAddr> {
        self.parts().map(|(ip, _)| ip)
    }

    /// The address and its prefix length.
    pub fn parts(&self) -> Option<(IpAddr, u8)> {
        let (ip, prefix) = self.address.split_once('/')?;
        Some((ip.parse().ok()?, prefix.parse().ok()?))
    }
}

impl Success {
    /// Reads a result of the version that it says, or of the configuration's if it says none.
    pub fn read(document: &Value, configured: Version) -> Result<Self, String> {
        let object = document.as_object().ok_or("the result is no object")?;
        let version = match object.get("cniVersion") {
            None => configured,
            Some(Value::String(text)) => text
                .parse()
                .map_err(|()| format!("the result has the unknown cniVersion {text:?}"))?,
            Some(_) => return Err("the result's cniVersion is no text".into()),
        };
        let success = if version <= Version::V020 {
            of_one_each(object)?
        } else {
            // Go writes an empty list as null.
            let said = object.iter().filter(|(_, value)| !value.is_null());
            let said: Map<_, _> = said.map(|(k, v)| (k.clone(), v.clone())).collect();
            serde_json::from_value(said.into()).map_err(|e| format!("the result: {e}"))?
        };
        success.check()?;
        Ok(success)
    }

    /// Every address and destination must read as one, and name a link that is there.
    fn check(&self) -> Result<(), String> {
        for address in &self.ips {
            let (ip, prefix) = address
                .parts()
                .ok_or_else(|| format!("the result has the address {:?}", address.address))?;
            if prefix > if ip.is_ipv4() { 32 } else { 128 } {
                return Err(format!("the result has the address {:?}", address.address));
            }
            let place = address.interface.map(|place| place as usize);
            if place.is_some_and(|place| place >= self.interfaces.len()) {
                return Err(format!("the result has no interface {place:?}"));
            }
        }
        Ok(())
    }

    /// Writes it in the form of a version.
    pub fn write(&self, version: Version) -> Result<Value, String> {
        if version <= Version::V020 {
            return self.as_one_each(version);
        }
        let mut document = serde_json::to_value(self).map_err(|e| e.to_string())?;
        document["cniVersion"] = version.name().into();
        let each = |document: &mut Value, list: &str, change: &dyn Fn(&mut Map<String, Value>)| {
            let entries = document.get_mut(list).and_then(Value::as_array_mut);
            let objects = entries
                .into_iter()
                .flatten()
                .filter_map(Value::as_object_mut);
            objects.for_each(change);
        };
        if version < Version::V110 {
            each(&mut document, "interfaces", &|one| {
                one.retain(|key, _| matches!(key.as_str(), "name" | "mac" | "sandbox"));
            });
            each(&mut document, "routes", &|one| {
                one.retain(|key, _| matches!(key.as_str(), "dst" | "gw"));
            });
        }
        if version < Version::V100 {
            each(&mut document, "ips", &|one| {
                let six = one["address"].as_str().is_some_and(|a| a.contains(':'));
                one.insert("version".into(), if six { "6" } else { "4" }.into());
            });
        }
        Ok(document)
    }

    fn as_one_each(&self, version: Version) -> Result<Value, String> {
        let mut document = json!({ "cniVersion": version.name() });
        for (key, six) in [("ip4", false), ("ip6", true)] {
            let mut own = self.ips.iter().filter(|a| a.address.contains(':') == six);
            let Some(address) = own.next() else { continue };
            let mut part = json!({ "ip": address.address });
            if let Some(gateway) = address.gateway {
                part["gateway"] = gateway.to_string().into();
            }
            let routes = self.routes.iter().filter(|r| r.dst.contains(':') == six);
            let routes: Vec<_> = routes
                .map(|route| match route.gw {
                    Some(gw) => json!({ "dst": route.dst, "gw": gw }),
                    None => json!({ "dst": route.dst }),
                })
                .collect();
            if !routes.is_empty() {
                part["routes"] = routes.into();
            }
            document[key] = part;
        }
        if document.get("ip4").or(document.get("ip6")).is_none() {
            return Err(format!("a result of CNI version {version} has an address"));
        }
        if !self.dns.is_empty() {
            document["dns"] = serde_json::to_value(&self.dns).map_err(|e| e.to_string())?;
        }
        Ok(document)
    }
}

/// A result of 0.1.0 and 0.2.0: one address of each family, with its routes.
fn of_one_each(object: &Map<String, Value>) -> Result<Success, String> {
    #[derive(Deserialize)]
    struct Part {
        ip: String,
        gateway: Option<IpAddr>,
        #[serde(default)]
        routes: Vec<Route>,
    }
    let mut success = Success::default();
    for key in ["ip4", "ip6"] {
        let Some(part) = object.get(key).filter(|part| !part.is_null()) else {
            continue;
        };
        let part = Part::deserialize(part).map_err(|e| format!("the result's {key}: {e}"))?;
        success.ips.push(Address {
            interface: None,
            address: part.ip,
            gateway: part.gateway,
        });
        success.routes.extend(part.routes);
    }
    if let Some(dns) = object.get("dns").filter(|dns| !dns.is_null()) {
        success.dns = Dns::deserialize(dns).map_err(|e| format!("the result's dns: {e}"))?;
    }
    Ok(success)
}

#[cfg(test)]
mod tests;
