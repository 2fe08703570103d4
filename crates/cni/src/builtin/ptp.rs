//! ptp: a pair, and routes instead of a bridge.

use super::args::Args;
use super::bridge::{held, release};
use super::firewall::{Placed, masked};
use super::links::{self, Duplicates, Netns, enter};
use super::range::Ranges;
use super::{Failure, Subject, document};
use crate::{Address, Attachment, Dns, Interface, Success};
use net::link::{self, Link, Settings};
use net::route::{self, Route, Scope};
use net::{Subnet, address};
use netlink::Socket;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::net::IpAddr;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    ip_masq: bool,
    #[serde(default)]
    mtu: u32,
    ipam: Value,
    #[serde(default)]
    dns: Dns,
}

/// A point-to-point configuration.
#[derive(Debug)]
pub(crate) struct Ptp {
    document: Document,
    ranges: Ranges,
}

/// An address with its subnet, gateway, and the subnets of these two alone.
struct Ends {
    ip: IpAddr,
    gateway: IpAddr,
    subnet: Subnet,
    pod: Subnet,
    host: Subnet,
}

impl Ends {
    fn of(address: &Address) -> Option<Self> {
        let (ip, prefix) = address.parts()?;
        let gateway = address.gateway?;
        let whole = if ip.is_ipv4() { 32 } else { 128 };
        Some(Self {
            ip,
            gateway,
            subnet: Subnet::holding(ip, prefix)?,
            pod: Subnet::holding(ip, whole)?,
            host: Subnet::holding(gateway, whole)?,
        })
    }
}

impl Ptp {
    pub(crate) fn of(
        told: &Map<String, Value>,
        attachment: Option<&Attachment>,
    ) -> Result<Self, String> {
        let document: Document = document::read_own(told)?;
        let args = Args::of(told, attachment)?;
        let ranges = Ranges::of(&document.ipam, told, args.ips)?;
        Ok(Self { document, ranges })
    }

    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// What the firewall has of an attachment that was added.
    pub(crate) fn placed(&self, subject: &Subject<'_>) -> Vec<Placed> {
        let success = subject.previous.filter(|_| self.document.ip_masq);
        success.map(masked).unwrap_or_default()
    }

    pub(crate) fn add(&self, subject: &Subject<'_>) -> Result<Success, Failure> {
        let attachment = subject.attachment;
        let name = &attachment.interface;
        let asked = &subject.asked.ips;
        let ips = self.ranges.give(&subject.network.name, attachment, asked)?;
        let mut success = Success {
            ips,
            routes: self.ranges.routes(),
            dns: self.ranges.dns(&self.document.dns)?,
            ..Success::default()
        };
        for address in &mut success.ips {
            address.interface = Some(1);
        }
        links::forward(&success)?;
        let mut host = links::host()?;
        let netns = Netns::open(subject)?;
        let wanted = Settings {
            name,
            mtu: Some(self.document.mtu).filter(|mtu| *mtu != 0),
            ..Settings::default()
        };
        let (own, outside) = links::add_pair(&mut host, &netns, &wanted)?;
        let ends: Vec<_> = success.ips.iter().filter_map(Ends::of).collect();
        let inside = enter(&netns, |socket| {
            links::dress(socket, name, &success, Duplicates::Ignored)?;
            let inside = link::details(socket, name)?;
            ends.iter()
                .try_for_each(|ends| redirect(socket, inside.link, ends))?;
            Ok(inside)
        })?;
        for ends in &ends {
            lead(&mut host, own.link, &outside, ends)?;
        }
        if self.document.ip_masq {
            subject.firewall.mask(&success)?;
        }
        let link = |name: &str, mac, sandbox: &str| Interface {
            name: name.to_owned(),
            mac: links::shown(mac),
            sandbox: sandbox.to_owned(),
            ..Interface::default()
        };
        success.interfaces = vec![
            link(&outside, own.mac, ""),
            link(name, inside.mac, &attachment.netns),
        ];
        Ok(success)
    }

    pub(crate) fn delete(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        links::remove(subject)?;
        release(subject, Some(&self.ranges))
    }

    pub(crate) fn check(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        links::compare(subject)?;
        held(subject, &self.ranges)?;
        match (self.document.ip_masq, subject.previous) {
            (true, Some(previous)) => subject.firewall.is_masked(previous),
            _ => Ok(()),
        }
    }
}

/// In the pod: all of the subnet is reached by the gateway, which alone is on the link.
fn redirect(socket: &mut Socket, own: Link, ends: &Ends) -> Result<(), Failure> {
    let route = |destination, gateway, source, scope| Route {
        destination,
        gateway,
        source,
        scope,
    };
    let automatic = route(ends.subnet, None, None, Scope::Nowhere);
    route::remove(socket, own, &automatic)?;
    let source = Some(ends.ip);
    let near = route(ends.host, None, source, Scope::Link);
    let rest = route(ends.subnet, Some(ends.gateway), source, Scope::Universe);
    route::add(socket, own, &near)?;
    Ok(route::add(socket, own, &rest)?)
}

/// On the host: the gateway's address, and the way to the pod.
fn lead(host: &mut Socket, own: Link, name: &str, ends: &Ends) -> Result<(), Failure> {
    if ends.gateway.is_ipv6() {
        links::sysctl(&format!("ipv6/conf/{name}/disable_ipv6"), "0").ok();
    }
    address::add(host, own, ends.gateway, ends.host.prefix())?;
    let route = Route {
        destination: ends.pod,
        gateway: None,
        source: None,
        scope: Scope::Host,
    };
    Ok(route::add(host, own, &route)?)
}
