//! bridge: a pair with one end on a bridge of the host.

mod document;
mod gateway;
mod vlans;

use super::args::Args;
use super::firewall::{Placed, bound, masked};
use super::links::{self, Duplicates, Netns, enter};
use super::range::Ranges;
use super::{Failure, Subject};
use crate::{Attachment, Interface, Route, Success};
use document::Document;
use net::link::{self, Details, Link, Mac, Port, Settings};
use netlink::Socket;
use serde_json::{Map, Value};
use vlans::Vlans;

/// A bridge's configuration.
#[derive(Debug)]
pub(crate) struct Bridge {
    document: Document,
    mac: Option<Mac>,
    vlans: Vlans,
    /// None for a network whose addresses others give.
    ranges: Option<Ranges>,
}

impl Bridge {
    pub(crate) fn of(
        told: &Map<String, Value>,
        attachment: Option<&Attachment>,
    ) -> Result<Self, String> {
        let mut document: Document = super::document::read_own(told)?;
        let args = Args::of(told, attachment)?;
        let trunk = document.vlan_trunk.as_deref();
        let vlans = Vlans::of(document.vlan, trunk, document.preserve_default_vlan)?;
        let ipam = document.ipam.as_object().filter(|ipam| !ipam.is_empty());
        let ranges = ipam.map(|_| Ranges::of(&document.ipam, told, args.ips));
        document.is_gateway |= document.is_default_gateway;
        Ok(Self {
            ranges: ranges.transpose()?,
            mac: args.mac,
            vlans,
            document,
        })
    }

    pub(crate) fn ranges(&self) -> Option<&Ranges> {
        self.ranges.as_ref()
    }

    fn mtu(&self) -> Option<u32> {
        Some(self.document.mtu).filter(|mtu| *mtu != 0)
    }

    /// What the firewall has of an attachment that was added.
    pub(crate) fn placed(&self, subject: &Subject<'_>) -> Vec<Placed> {
        let Some(success) = subject.previous else {
            return Vec::new();
        };
        let mut placed = match self.document.ip_masq {
            true => masked(success),
            false => Vec::new(),
        };
        if self.document.macspoofchk {
            let pods = success
                .interfaces
                .iter()
                .filter(|link| !link.sandbox.is_empty());
            let mac = pods.into_iter().find_map(|link| links::mac(&link.mac));
            let bind = |link: &Interface| Some(bound(&link.name, mac?));
            placed.extend(self.outside(subject).filter_map(bind).flatten());
        }
        placed
    }

    pub(crate) fn add(&self, subject: &Subject<'_>) -> Result<Success, Failure> {
        self.coherent()?;
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
        self.plug(&mut host, own.link, bridge)?;
        let mut success = self.addressed(subject)?;
        let inside = self.inside(&netns, &attachment.interface, &success)?;
        if !self.document.disable_container_interface {
            links::settled(&mut host, &name)?;
        }
        let outside = |name: &str, mac| Interface {
            name: name.to_owned(),
            mac: links::shown(mac),
            ..Interface::default()
        };
        let mut gateway = None;
        if self.document.is_gateway && self.ranges.is_some() {
            gateway = self.be_gateway(&mut host, bridge, &success)?;
            links::forward(&success)?;
        }
        if self.document.ip_masq {
            subject.firewall.mask(&success)?;
        }
        if let (true, Some(mac)) = (self.document.macspoofchk, inside.mac) {
            subject.firewall.bind(&name, mac)?;
        }
        let bridge = link::details(&mut host, &self.document.bridge)?;
        success.interfaces = vec![
            outside(&self.document.bridge, bridge.mac),
            outside(&name, own.mac),
            Interface {
                sandbox: attachment.netns.clone(),
                ..outside(&attachment.interface, inside.mac)
            },
        ];
        let gateway = gateway.map(|(name, mac)| outside(&name, mac));
        success.interfaces.extend(gateway);
        Ok(success)
    }

    /// Refuses options that exclude each other.
    fn coherent(&self) -> Result<(), Failure> {
        let own = &self.document;
        let reason = match () {
            () if own.disable_container_interface && self.ranges.is_some() => {
                "cannot use IPAM when DisableContainerInterface flag is set"
            }
            () if own.promisc_mode && own.hairpin_mode => {
                "cannot set hairpin mode and promiscuous mode at the same time"
            }
            () => return Ok(()),
        };
        Err(Failure::new(reason))
    }

    /// Makes the host's end a port of the bridge.
    fn plug(&self, host: &mut Socket, own: Link, bridge: Link) -> Result<(), Failure> {
        let wanted = Port {
            hairpin: self.document.hairpin_mode,
            isolated: self.document.port_isolation,
        };
        link::set_master(host, own, bridge, wanted)?;
        self.vlans.give(host, own)
    }

    /// Sets the pod's end up.
    fn inside(&self, netns: &Netns, name: &str, success: &Success) -> Result<Details, Failure> {
        let duplicates = match self.document.enabledad {
            true => Duplicates::Detected,
            false => Duplicates::Ignored,
        };
        enter(netns, |socket| {
            if !self.document.disable_container_interface {
                links::dress(socket, name, success, duplicates)?;
            }
            Ok(link::details(socket, name)?)
        })
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
        if self.vlans.filtered {
            // Also of one that others made: without it a VLAN would mean nothing.
            link::filter_vlans(host, found.link)?;
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

    /// The host's end of an attachment's pair, as it was told when it was made.
    fn outside<'a>(&'a self, subject: &'a Subject<'_>) -> impl Iterator<Item = &'a Interface> {
        let links = subject.previous.map_or(&[][..], |all| &all.interfaces[..]);
        links.iter().filter(|link| {
            let others = [&self.document.bridge, &self.gateway_name()];
            link.sandbox.is_empty() && !others.contains(&&link.name)
        })
    }

    pub(crate) fn delete(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        links::remove(subject)?;
        if self.document.macspoofchk {
            let links: Vec<_> = self.outside(subject).map(|link| &*link.name).collect();
            subject.firewall.unbind(&links)?;
        }
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
        let mut found = self.outside(subject).filter_map(&mut port);
        if !found.any(|own| own.master == Some(bridge.link)) {
            let reason = format!(
                "CNI veth created for bridge {name} and {} was not found",
                inside.name
            );
            return Err(Failure::new(reason));
        }
        if self.document.macspoofchk {
            let mac = links::mac(&inside.mac).unwrap_or_default();
            let mut links = self.outside(subject);
            links.try_for_each(|link| subject.firewall.is_bound(&link.name, mac))?;
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
