//! One firewall table for mapped ports and for what pods send outside, and one of the same name
//! on bridges for what pods may send as.
//!
//! The number of rules is constant: pods, subnets and ports are elements of sets and maps.
//!
//! | chain | hook | what it does |
//! |---|---|---|
//! | `arriving`, `leaving` | nat prerouting, output | mapped ports to pods, but those of loopback addresses |
//! | `masking` | nat postrouting | the host's address for what a pod sends beyond its subnet, and for what reaches a pod of the sender's subnet by a mapped port |
//! | `arriving` of bridges | filter prerouting | drops what a pod sends by another Ethernet address than its own |
//!
//! Nothing of others' tables is touched, and no link is told to route loopback addresses.

mod family;
mod senders;

pub(crate) use senders::bound;

use super::{Failure, links};
use crate::{PortMapping, Success};
use family::{Kind, V4, V6};
use net::link::{self, Mac};
use net::nft::{
    Batch, Chain, Compare, Element, Expression as E, Hook, Layer, Register, Table, Verdict, based,
    elements,
};
use net::{Subnet, conntrack};
use netlink::Socket;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const LOCAL: &[u8] = &2_u32.to_ne_bytes();
const R: Register = Register(0);

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

/// An element, and the set that it is in.
pub(crate) type Placed = (&'static str, Element);

/// What makes a pod masked.
fn masking(address: IpAddr, subnet: Subnet) -> [Placed; 2] {
    let (kind, pod) = (Kind::of(address), octets(address));
    let (first, last) = Kind::ends(subnet);
    [
        (kind.masked, Element::new().part(&pod)),
        (kind.inside, Element::new().part(&pod).range(&first, &last)),
    ]
}

/// Ports that lead to a pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapped<'a> {
    pub(crate) ports: &'a [PortMapping],
    /// Whether the host's address takes the place of a sender's in the pod's own subnet.
    pub(crate) snat: bool,
}

/// What maps ports to a pod.
pub(crate) fn mapping(
    targets: &[(IpAddr, u8)],
    mapped: Mapped<'_>,
) -> Result<Vec<Placed>, Failure> {
    let mut placed = Vec::new();
    for (address, prefix) in targets {
        let (kind, pod) = (Kind::of(*address), octets(*address));
        let before = placed.len();
        for port in mapped.ports {
            let element = match host_address(port)? {
                Some(host) if host.is_ipv6() != address.is_ipv6() => continue,
                Some(host) if !host.is_unspecified() => {
                    (kind.bound, Element::new().part(&octets(host)))
                }
                _ => (kind.any, Element::new()),
            };
            let (set, element) = element;
            let element = element
                .part(&[number(port)?])
                .part(&port.host_port.to_be_bytes())
                .data(&pod)
                .data(&port.container_port.to_be_bytes());
            placed.push((set, element));
        }
        let hairpin = mapped.snat && placed.len() > before;
        if let (true, Some(subnet)) = (hairpin, Subnet::holding(*address, *prefix)) {
            let (first, last) = Kind::ends(subnet);
            let element = Element::new().range(&first, &last).part(&pod);
            placed.push((kind.hairpin, element));
        }
    }
    Ok(placed)
}

fn number(port: &PortMapping) -> Result<u8, Failure> {
    match port.protocol.to_ascii_lowercase().as_str() {
        "tcp" => Ok(TCP),
        "udp" => Ok(UDP),
        "sctp" => Ok(SCTP),
        other => Err(Failure::config(format!("port mapping of {other}"))),
    }
}

fn host_address(port: &PortMapping) -> Result<Option<IpAddr>, Failure> {
    if port.host_ip.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Failure::config(format!("Invalid host IP: {:?}", port.host_ip));
    port.host_ip.parse().map(Some).map_err(wrong)
}

/// The table, by its name.
#[derive(Debug)]
pub(crate) struct Firewall {
    table: &'static str,
    /// Whoever reads before writing holds it.
    turn: Mutex<()>,
}

impl Firewall {
    pub(crate) const fn new(table: &'static str) -> Self {
        Self {
            table,
            turn: Mutex::new(()),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn socket() -> Result<Socket, Failure> {
        Socket::netfilter().map_err(Failure::io("cannot ask the kernel about its firewall"))
    }

    fn table(&self, layer: Layer) -> Table<'static> {
        let name = self.table;
        Table { layer, name }
    }

    /// The table that a set is of.
    fn table_of(&self, set: &str) -> Table<'static> {
        let bridged = senders::SETS.contains(&set);
        self.table(if bridged {
            Layer::Bridge
        } else {
            Layer::Internet
        })
    }

    /// The table with its rules; elements that are there stay.
    fn whole(table: Table<'static>) -> Batch<'static> {
        let batch = Batch::new(table).table();
        match table.layer {
            Layer::Internet => Self::translating(batch),
            Layer::Bridge => senders::rules(batch),
        }
    }

    fn translating(batch: Batch<'static>) -> Batch<'static> {
        let base = |name, hook, priority| Chain::Base {
            name,
            kind: "nat",
            hook,
            priority,
        };
        let batch = V6
            .sets(V4.sets(batch))
            .chain(Chain::Regular("mapped"))
            .chain(base("arriving", Hook::Prerouting, -100))
            .chain(base("leaving", Hook::Output, -100))
            .chain(base("masking", Hook::Postrouting, 100));
        let chains = ["mapped", "arriving", "leaving", "masking"];
        let batch = chains.into_iter().fold(batch, Batch::flush);
        let to_host = [
            E::DestinationType(R),
            E::Compare(R, Compare::Is, LOCAL),
            E::Verdict(Verdict::Jump("mapped")),
        ];
        let batch = batch.rule("arriving", &to_host).rule("leaving", &to_host);
        V6.rules(V4.rules(batch))
    }

    /// Adds all elements or none; the table, one for all of them, is made if it is not there.
    fn add(&self, placed: &[Placed]) -> Result<(), net::Error> {
        let ask = |source| net::Error::Ask {
            what: "its firewall",
            source,
        };
        let Some((set, _)) = placed.first() else {
            return Ok(());
        };
        let table = self.table_of(set);
        let mut socket = Socket::netfilter().map_err(ask)?;
        let gone = |source: &std::io::Error| source.kind() == std::io::ErrorKind::NotFound;
        match filled(Batch::new(table), placed).commit(&mut socket) {
            Err(net::Error::Firewall { source, .. }) if gone(&source) => {
                filled(Self::whole(table), placed).commit(&mut socket)
            }
            done => done,
        }
    }

    /// Has the tables hold these elements and no others; without any a table goes.
    pub(crate) fn restore(&self, placed: &[Placed]) -> Result<(), Failure> {
        let _turn = self.turn();
        let mut socket = Self::socket()?;
        for layer in [Layer::Internet, Layer::Bridge] {
            let table = self.table(layer);
            let mut own = placed.to_vec();
            own.retain(|(set, _)| self.table_of(set) == table);
            // Not every kernel has tables of bridges.
            if own.is_empty() && !is_there(&mut socket, table)? {
                continue;
            }
            let batch = match own.is_empty() {
                true => Batch::new(table).delete_table(),
                false => filled(
                    sets(layer)
                        .into_iter()
                        .fold(Self::whole(table), Batch::empty),
                    &own,
                ),
            };
            batch.commit(&mut socket)?;
        }
        socket.close_behind();
        Ok(())
    }

    /// Removes those elements of sets of one table that `goes` names.
    fn remove(
        &self,
        sets: &[&'static str],
        goes: impl Fn(&'static str, &Element) -> bool,
    ) -> Result<(), Failure> {
        let _turn = self.turn();
        let mut socket = Self::socket()?;
        let mut batch = None;
        for set in sets {
            let table = self.table_of(set);
            let mut all = elements(&mut socket, table, set)?;
            all.retain(|element| goes(set, element));
            if !all.is_empty() {
                batch = Some(batch.unwrap_or_else(|| Batch::new(table)).remove(set, &all));
            }
        }
        if let Some(batch) = batch {
            batch.commit(&mut socket)?;
            socket.close_behind();
        }
        Ok(())
    }

    /// Whether all of these are there.
    fn has(&self, placed: &[Placed]) -> Result<bool, Failure> {
        let mut socket = Self::socket()?;
        for (set, element) in placed {
            let all = elements(&mut socket, self.table_of(set), set)?;
            let same =
                |other: &Element| other.key() == element.key() && other.given() == element.given();
            if !all.iter().any(same) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has the pod's addresses masked where they leave their subnets.
    pub(crate) fn mask(&self, success: &Success) -> Result<(), Failure> {
        let _turn = self.turn();
        Ok(self.add(&masked(success))?)
    }

    pub(crate) fn is_masked(&self, success: &Success) -> Result<(), Failure> {
        match self.has(&masked(success))? {
            true => Ok(()),
            false => Err(Failure::new("masquerading of the pod's addresses is gone")),
        }
    }

    /// Takes back what there is of these pods.
    pub(crate) fn forget(&self, pods: &[IpAddr]) -> Result<(), Failure> {
        let pods: Vec<_> = pods.iter().map(|pod| octets(*pod)).collect();
        let sets = [V4.masked, V4.inside, V6.masked, V6.inside];
        self.remove(&sets, |_, element| {
            pods.iter().any(|pod| element.key().starts_with(pod))
        })
    }

    /// Has a link of the host pass on what bears this Ethernet address, and nothing else.
    pub(crate) fn bind(&self, link: &str, mac: Mac) -> Result<(), Failure> {
        let _turn = self.turn();
        Ok(self.add(&bound(link, mac))?)
    }

    pub(crate) fn is_bound(&self, link: &str, mac: Mac) -> Result<(), Failure> {
        match self.has(&bound(link, mac))? {
            true => Ok(()),
            false => Err(Failure::new(format!(
                "the check of what {link} sends is gone"
            ))),
        }
    }

    /// Takes back what there is of these links, and of links that are gone.
    pub(crate) fn unbind(&self, links: &[&str]) -> Result<(), Failure> {
        let mut there = link::list(&mut links::host()?)?;
        there.retain(|(_, name, _)| !links.contains(&&**name));
        let there: Vec<_> = there.iter().map(|(_, own, _)| senders::name(own)).collect();
        self.remove(&senders::SETS, |_, element| {
            !there.iter().any(|link| element.key().starts_with(link))
        })
    }

    /// Maps ports of the host to a pod: all or none.
    pub(crate) fn publish(
        &self,
        targets: &[(IpAddr, u8)],
        mapped: Mapped<'_>,
    ) -> Result<(), Failure> {
        let placed = mapping(targets, mapped)?;
        let _turn = self.turn();
        self.add(&placed)
            .map_err(|error| match self.taken(&placed) {
                Some(port) => Failure::new(format!("port {port} of the host is mapped already")),
                None => error.into(),
            })?;
        // Whoever sent to such a port before is remembered as led to the host itself.
        let datagrams = mapped
            .ports
            .iter()
            .filter(|port| number(port).is_ok_and(|own| own == UDP));
        let datagrams: Vec<_> = datagrams.map(|port| port.host_port).collect();
        if !datagrams.is_empty() {
            conntrack::forget(&mut Self::socket()?, UDP, &datagrams)?;
        }
        Ok(())
    }

    /// The first port that leads elsewhere.
    fn taken(&self, placed: &[Placed]) -> Option<u16> {
        let mut socket = Self::socket().ok()?;
        placed.iter().find_map(|(set, element)| {
            let all = elements(&mut socket, self.table_of(set), set).ok()?;
            let other =
                |other: &&Element| other.key() == element.key() && other.given() != element.given();
            all.iter().find(other)?;
            // The port fills the last register of the key.
            let port = element.key().rchunks(4).next()?;
            Some(u16::from_be_bytes([port[0], port[1]]))
        })
    }

    /// Takes a pod's ports back; those that lead elsewhere by now stay.
    pub(crate) fn withdraw(
        &self,
        targets: &[(IpAddr, u8)],
        mapped: Mapped<'_>,
    ) -> Result<(), Failure> {
        let placed = mapping(targets, mapped)?;
        let sets = [V4.any, V4.bound, V4.hairpin, V6.any, V6.bound, V6.hairpin];
        self.remove(&sets, |set, element| {
            placed.iter().any(|(own, other)| {
                *own == set && other.key() == element.key() && other.given() == element.given()
            })
        })
    }

    pub(crate) fn is_published(
        &self,
        targets: &[(IpAddr, u8)],
        mapped: Mapped<'_>,
    ) -> Result<(), Failure> {
        match self.has(&mapping(targets, mapped)?)? {
            true => Ok(()),
            false => Err(Failure::new("a mapped port is gone")),
        }
    }
}

/// Every set of a table.
fn sets(layer: Layer) -> Vec<&'static str> {
    match layer {
        Layer::Internet => [V4.names(), V6.names()].concat(),
        Layer::Bridge => senders::SETS.to_vec(),
    }
}

fn is_there(socket: &mut Socket, table: Table<'_>) -> Result<bool, Failure> {
    let chains = based(socket)?;
    Ok(chains
        .iter()
        .any(|chain| chain.family == table.layer as u8 && chain.table == table.name))
}

fn filled(batch: Batch<'static>, placed: &[Placed]) -> Batch<'static> {
    placed.iter().fold(batch, |batch, (set, element)| {
        batch.add(set, std::slice::from_ref(element))
    })
}

pub(crate) fn masked(success: &Success) -> Vec<Placed> {
    let parts = success.ips.iter().filter_map(|address| address.parts());
    let pods = parts.filter_map(|(ip, prefix)| Some((ip, Subnet::holding(ip, prefix)?)));
    pods.flat_map(|(ip, subnet)| masking(ip, subnet)).collect()
}
