//! bridge: a pair with one end on a bridge of the host.

use super::links::{self, Netns, enter};
use super::range::Ranges;
use super::{Failure, Subject, document};
use crate::{Dns, Interface, Route, Success};
use net::link::{self, Details, Hairpin, Link, Mac, Settings};
use net::{Subnet, address};
use netlink::Socket;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::net::IpAddr;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default = "usual")]
    bridge: String,
    #[serde(default)]
    is_gateway: bool,
    #[serde(default)]
    is_default_gateway: bool,
    #[serde(default)]
    ip_masq: bool,
    #[serde(default)]
    mtu: u32,
    #[serde(default)]
    hairpin_mode: bool,
    #[serde(default)]
    ipam: Value,
    #[serde(default)]
    dns: Dns,
    #[serde(default)]
    force_address: bool,
    #[serde(default)]
    promisc_mode: bool,
    // Known for what they are when off.
    #[serde(default)]
    vlan: u16,
    #[serde(default)]
    macspoofchk: bool,
}

fn usual() -> String {
    "cni0".into()
}

/// A bridge's configuration.
#[derive(Debug)]
pub(crate) struct Bridge {
    document: Document,
    mac: Option<Mac>,
    /// None for a network whose addresses others give.
    ranges: Option<Ranges>,
}

impl Bridge {
    pub(crate) fn of(told: &Map<String, Value>) -> Result<Self, String> {
        let mut document: Document = document::read_own(told)?;
        for (name, on) in [
            ("vlan", document.vlan != 0),
            ("macspoofchk", document.macspoofchk),
        ] {
            if on {
                return Err(format!("option {name}"));
            }
        }
        let ipam = document.ipam.as_object().filter(|ipam| !ipam.is_empty());
        let ranges = ipam.map(|_| Ranges::of(&document.ipam, told)).transpose()?;
        document.is_gateway |= document.is_default_gateway;
        let asked = told.get("runtimeConfig").and_then(|all| all.get("mac"));
        let mac = match asked.and_then(Value::as_str) {
            None => None,
            Some(text) => Some(links::mac(text).ok_or_else(|| format!("mac {text:?}"))?),
        };
        Ok(Self {
            document,
            mac,
            ranges,
        })
    }

    pub(crate) fn ranges(&self) -> Option<&Ranges> {
        self.ranges.as_ref()
    }

    fn mtu(&self) -> Option<u32> {
        Some(self.document.mtu).filter(|mtu| *mtu != 0)
    }

    /// Whether what pods send beyond their subnets is masqueraded.
    pub(crate) fn masks(&self) -> bool {
        self.document.ip_masq
    }

    pub(crate) fn add(&self, subject: &Subject<'_>) -> Result<Success, Failure> {
        if self.document.promisc_mode && self.document.hairpin_mode {
            let reason = "cannot set hairpin mode and promiscuous mode at the same time";
            return Err(Failure::new(reason));
        }
        let attachment = subject.attachment;
        let mut host = links::host()?;
        let netns = Netns::open(subject)?;
        let bridge = self.ensure(&mut host)?;
        let wanted = Settings {
            name: &attachment.interface,
            mtu: self.mtu(),
            mac: self.mac,
            alias: None,
        };
        let (own, name) = links::add_pair(&mut host, &netns, &wanted)?;
        let hairpin = match self.document.hairpin_mode {
            true => Hairpin::On,
            false => Hairpin::Off,
        };
        link::set_master(&mut host, own.link, bridge, hairpin)?;
        let mut success = self.addressed(subject)?;
        let inside = enter(&netns, |socket| {
            links::dress(socket, &attachment.interface, &success)?;
            Ok(link::details(socket, &attachment.interface)?)
        })?;
        links::settled(&mut host, &name)?;
        if self.document.is_gateway && self.ranges.is_some() {
            self.be_gateway(&mut host, bridge, &success)?;
            links::forward(&success)?;
        }
        if self.document.ip_masq {
            subject.firewall.mask(&success)?;
        }
        let bridge = link::details(&mut host, &self.document.bridge)?;
        let outside = |name: &str, mac| Interface {
            name: name.to_owned(),
            mac: links::shown(mac),
            ..Interface::default()
        };
        success.interfaces = vec![
            outside(&self.document.bridge, bridge.mac),
            outside(&name, own.mac),
            Interface {
                sandbox: attachment.netns.clone(),
                ..outside(&attachment.interface, inside.mac)
            },
        ];
        Ok(success)
    }

    /// The bridge, made if it is not there.
    fn ensure(&self, host: &mut Socket) -> Result<Link, Failure> {
        let name = &self.document.bridge;
        let found = match link::details(host, name) {
            Err(net::Error::NoLink { .. }) => {
                let wanted = Settings {
                    name,
                    mtu: self.mtu(),
                    ..Settings::default()
                };
                // Another addition may be first.
                drop(link::add_bridge(host, &wanted));
                link::details(host, name)?
            }
            found => found?,
        };
        if found.kind != "bridge" {
            return Err(Failure::new(format!(
                "{name:?} already exists but is not a bridge"
            )));
        }
        links::sysctl(&format!("ipv6/conf/{name}/accept_ra"), "0").ok();
        if self.document.promisc_mode {
            link::set_promiscuous(host, found.link)?;
        }
        if !found.up {
            link::set_up(host, found.link)?;
        }
        Ok(found.link)
    }

    /// Addresses of the pod, with gateways and routes; no interfaces yet.
    fn addressed(&self, subject: &Subject<'_>) -> Result<Success, Failure> {
        let mut success = Success {
            dns: self.document.dns.clone(),
            ..Success::default()
        };
        let Some(ranges) = &self.ranges else {
            return Ok(success);
        };
        success.dns = ranges.dns(&self.document.dns)?;
        let asked = &subject.asked.ips;
        success.ips = ranges.give(&subject.network.name, subject.attachment, asked)?;
        success.routes = ranges.routes();
        for address in &mut success.ips {
            address.interface = Some(2);
        }
        if self.document.is_default_gateway {
            for (destination, six) in [("0.0.0.0/0", false), ("::/0", true)] {
                let mut ips = success.ips.iter();
                let gateway = ips.find_map(|a| a.gateway.filter(|gw| gw.is_ipv6() == six));
                let mut routes = success.routes.iter();
                let there = routes.any(|route| route.dst == destination && route.gw.is_some());
                if gateway.is_some() && !there {
                    success.routes.push(Route {
                        dst: destination.into(),
                        gw: gateway,
                        ..Route::default()
                    });
                }
            }
        }
        Ok(success)
    }

    /// Gives the bridge the gateways' addresses.
    fn be_gateway(
        &self,
        host: &mut Socket,
        bridge: Link,
        success: &Success,
    ) -> Result<(), Failure> {
        let name = &self.document.bridge;
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

    pub(crate) fn delete(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        links::remove(subject)?;
        release(subject, self.ranges.as_ref())
    }

    pub(crate) fn check(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        let inside = links::compare(subject)?;
        if let Some(ranges) = &self.ranges {
            held(subject, ranges)?;
        }
        let name = &self.document.bridge;
        let mut host = links::host()?;
        let bridge = link::details(&mut host, name)?;
        let mut port = |link: &Interface| -> Option<Details> {
            let found = link::details(&mut host, &link.name).ok()?;
            (links::shown(found.mac) == link.mac).then_some(found)
        };
        let links = subject.previous.map_or(&[][..], |all| &all.interfaces[..]);
        let others = links
            .iter()
            .filter(|link| link.sandbox.is_empty() && link.name != *name);
        let mut found = others.filter_map(&mut port);
        if !found.any(|own| own.master == Some(bridge.link)) {
            let reason = format!(
                "CNI veth created for bridge {name} and {} was not found",
                inside.name
            );
            return Err(Failure::new(reason));
        }
        match (self.document.ip_masq, subject.previous) {
            (true, Some(previous)) => subject.firewall.is_masked(previous),
            _ => Ok(()),
        }
    }
}

/// Gives an attachment's addresses back, and takes their masquerading away.
pub(crate) fn release(subject: &Subject<'_>, ranges: Option<&Ranges>) -> Result<(), Failure> {
    let told = subject.previous.map(|previous| previous.ips.as_slice());
    let told = told.unwrap_or_default().iter();
    let told: Vec<_> = told.filter_map(|address| address.ip()).collect();
    let Some(ranges) = ranges else {
        return subject.firewall.forget(&told);
    };
    // What is not given to it is another's by now.
    let store = ranges.store(&subject.network.name)?;
    subject
        .firewall
        .forget(&store.held_by(subject.attachment)?)?;
    store.release_all(subject.attachment).map(drop)
}

/// Checks that an attachment has its addresses still.
pub(crate) fn held(subject: &Subject<'_>, ranges: &Ranges) -> Result<(), Failure> {
    let store = ranges.store(&subject.network.name)?;
    match store.held_by(subject.attachment)?.is_empty() {
        false => Ok(()),
        true => Err(Failure::new(format!(
            "host-local: Failed to find address added by container {}",
            subject.attachment.container
        ))),
    }
}
