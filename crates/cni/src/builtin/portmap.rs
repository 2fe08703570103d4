//! portmap: ports of the host that lead to the pod.

use super::firewall::{Mapped, Placed, mapping};
use super::{Failure, Subject, document};
use crate::{Capabilities, PortMapping, Success};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::net::IpAddr;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default = "usual")]
    snat: bool,
}

fn usual() -> bool {
    true
}

/// A configuration of it.
#[derive(Debug)]
pub(crate) struct Portmap {
    snat: bool,
}

impl Portmap {
    pub(crate) fn of(told: &Map<String, Value>, asked: &Capabilities) -> Result<Self, String> {
        understood(&asked.port_mappings)?;
        let document: Document = document::read_own(told)?;
        Ok(Self {
            snat: document.snat,
        })
    }

    fn mapped<'a>(&self, subject: &'a Subject<'_>) -> Mapped<'a> {
        Mapped {
            ports: &subject.asked.port_mappings,
            snat: self.snat,
        }
    }

    pub(crate) fn add(&self, subject: &Subject<'_>) -> Result<Success, Failure> {
        let chained = || Failure::new("must be called as chained plugin");
        let previous = subject.previous.ok_or_else(chained)?;
        for port in &subject.asked.port_mappings {
            for (name, number) in [("container", port.container_port), ("host", port.host_port)] {
                if number == 0 {
                    return Err(Failure::config(format!("Invalid {name} port number: 0")));
                }
            }
        }
        if !subject.asked.port_mappings.is_empty() {
            let targets = targets(subject, previous);
            subject.firewall.publish(&targets, self.mapped(subject))?;
        }
        Ok(previous.clone())
    }

    pub(crate) fn delete(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        match subject.previous {
            Some(previous) if !subject.asked.port_mappings.is_empty() => {
                let targets = targets(subject, previous);
                subject.firewall.withdraw(&targets, self.mapped(subject))
            }
            _ => Ok(()),
        }
    }

    /// What the firewall has of it.
    pub(crate) fn placed(&self, subject: &Subject<'_>) -> Result<Vec<Placed>, Failure> {
        let targets = subject.previous.map(|success| targets(subject, success));
        mapping(&targets.unwrap_or_default(), self.mapped(subject))
    }

    pub(crate) fn check(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        let missing = || Failure::new("Required prevResult missing");
        let previous = subject.previous.ok_or_else(missing)?;
        let targets = targets(subject, previous);
        subject
            .firewall
            .is_published(&targets, self.mapped(subject))
    }
}

/// Protocols with ports that are led on; others are the executable's.
fn understood(ports: &[PortMapping]) -> Result<(), String> {
    const KNOWN: [&str; 3] = ["tcp", "udp", "sctp"];
    let known = |name: &str| KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known));
    match ports.iter().find(|port| !known(&port.protocol)) {
        None => Ok(()),
        Some(port) => Err(format!("port mapping of {}", port.protocol)),
    }
}

/// The pod's first address of each family, with its prefix length.
fn targets(subject: &Subject<'_>, success: &Success) -> Vec<(IpAddr, u8)> {
    let own = |place: u32| {
        let link = success.interfaces.get(place as usize);
        link.is_none_or(|link| {
            link.name == subject.attachment.interface && !link.sandbox.is_empty()
        })
    };
    let addresses = success.ips.iter().filter(|a| a.interface.is_none_or(own));
    let parts: Vec<_> = addresses.filter_map(|address| address.parts()).collect();
    let first = |six: bool| parts.iter().find(|(ip, _)| ip.is_ipv6() == six).copied();
    [first(false), first(true)].into_iter().flatten().collect()
}
