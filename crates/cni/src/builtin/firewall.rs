//! One firewall table for mapped ports and for what pods send outside.
//!
//! The number of rules is constant: pods, subnets and ports are elements of sets and maps.
//!
//! | chain | hook | what it does |
//! |---|---|---|
//! | `arriving`, `leaving` | nat prerouting, output | mapped ports to pods, but those of loopback addresses |
//! | `masking` | nat postrouting | the host's address for what a pod sends beyond its subnet, and for what reaches a pod of the sender's subnet by a mapped port |
//!
//! Nothing of others' tables is touched, and no link is told to route loopback addresses.

use super::Failure;
use crate::{PortMapping, Success};
use net::nft::{
    Batch, Chain, Compare, Direction, Element, Expression as E, Family, Field, Hook, Key, Meta,
    Register, Set, Verdict, elements,
};
use net::{Subnet, conntrack};
use netlink::Socket;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What differs between the families.
struct Kind {
    family: Family,
    number: &'static [u8],
    key: Key,
    source: Field,
    destination: Field,
    /// Loopback and multicast destinations: these bits, and their value.
    loopback: (&'static [u8], &'static [u8]),
    multicast: (&'static [u8], &'static [u8]),
    /// Registers that an address fills.
    words: u32,
    /// Pods that are masked.
    masked: &'static str,
    /// Pods and the subnets for which they are not.
    inside: &'static str,
    /// Senders' subnets and pods that they reach by a mapped port.
    hairpin: &'static str,
    any: &'static str,
    bound: &'static str,
}

const V4: Kind = Kind {
    family: Family::V4,
    number: &[2],
    key: Key::Address4,
    source: Field::Source4,
    destination: Field::Destination4,
    loopback: (&[255, 0, 0, 0], &[127, 0, 0, 0]),
    multicast: (&[240, 0, 0, 0], &[224, 0, 0, 0]),
    words: 1,
    masked: "masked4",
    inside: "inside4",
    hairpin: "hairpin4",
    any: "any4",
    bound: "bound4",
};

const V6: Kind = Kind {
    family: Family::V6,
    number: &[10],
    key: Key::Address6,
    source: Field::Source6,
    destination: Field::Destination6,
    loopback: (
        &[255; 16],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ),
    multicast: (
        &[255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    words: 4,
    masked: "masked6",
    inside: "inside6",
    hairpin: "hairpin6",
    any: "any6",
    bound: "bound6",
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// Connections whose destination was translated.
const TRANSLATED: &[u8] = &32_u32.to_ne_bytes();
const LOCAL: &[u8] = &2_u32.to_ne_bytes();
const ZERO: &[u8] = &[0; 4];
const R: Register = Register(0);

impl Kind {
    const fn of(address: IpAddr) -> &'static Self {
        match address {
            IpAddr::V4(_) => &V4,
            IpAddr::V6(_) => &V6,
        }
    }

    fn sets(&self, mut batch: Batch<'static>) -> Batch<'static> {
        let set = |batch: Batch<'static>, name, key: &[Key], data: &[Key], ranges| {
            batch.set(&Set {
                name,
                key,
                data,
                ranges,
            })
        };
        let port = [Key::Protocol, Key::Port];
        let own = [self.key];
        let pair = [self.key, self.key];
        let bound = [self.key, Key::Protocol, Key::Port];
        let target = [self.key, Key::Port];
        batch = set(batch, self.masked, &own, &[], false);
        batch = set(batch, self.inside, &pair, &[], true);
        batch = set(batch, self.hairpin, &pair, &[], true);
        batch = set(batch, self.any, &port, &target, false);
        set(batch, self.bound, &bound, &target, false)
    }

    const fn names(&self) -> [&'static str; 5] {
        [self.masked, self.inside, self.hairpin, self.any, self.bound]
    }

    fn only(&self) -> [E<'static>; 2] {
        [
            E::Meta(Meta::Family, R),
            E::Compare(R, Compare::Is, self.number),
        ]
    }

    /// Source and destination, one after the other.
    fn pair(&self) -> [E<'static>; 2] {
        [
            E::Payload(self.source, R),
            E::Payload(self.destination, Register(self.words)),
        ]
    }

    fn rules(&self, batch: Batch<'static>) -> Batch<'static> {
        let (bits, value) = self.loopback;
        let loopback = [
            &self.only()[..],
            &[
                E::Payload(self.destination, R),
                E::Mask(R, bits),
                E::Compare(R, Compare::Is, value),
                E::Verdict(Verdict::Return),
            ],
        ];
        let translate = |address: &[E<'static>], words, map| {
            let (found, port) = (Register(8), Register(8 + self.words));
            let tail = [
                E::Meta(Meta::Protocol, Register(words)),
                E::Payload(Field::DestinationPort, Register(words + 1)),
                E::Map(R, map, found),
                E::Translate(Direction::Destination, self.family, found, Some(port)),
            ];
            [&self.only()[..], address, &tail[..]].concat()
        };
        let hairpin = [
            &[
                E::Status(R),
                E::Mask(R, TRANSLATED),
                E::Compare(R, Compare::IsNot, ZERO),
            ][..],
            &self.only(),
            &self.pair(),
            &[E::In(R, self.hairpin), E::Masquerade],
        ];
        let (bits, value) = self.multicast;
        let beyond = [
            &self.only()[..],
            &[E::Payload(self.source, R), E::In(R, self.masked)],
            &self.pair(),
            &[
                E::NotIn(R, self.inside),
                E::Payload(self.destination, R),
                E::Mask(R, bits),
                E::Compare(R, Compare::IsNot, value),
                E::Masquerade,
            ],
        ];
        let to = [E::Payload(self.destination, R)];
        batch
            .rule("mapped", &loopback.concat())
            .rule("mapped", &translate(&to, self.words, self.bound))
            .rule("mapped", &translate(&[], 0, self.any))
            .rule("masking", &hairpin.concat())
            .rule("masking", &beyond.concat())
    }

    /// A subnet's ends.
    fn ends(subnet: Subnet) -> (Vec<u8>, Vec<u8>) {
        (octets(subnet.first()), octets(subnet.last()))
    }
}

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

    fn batch(&self) -> Batch<'static> {
        Batch::new(self.table)
    }

    /// The table with its rules; elements that are there stay.
    fn whole(&self) -> Batch<'static> {
        let base = |name, hook, priority| Chain::Base {
            name,
            kind: "nat",
            hook,
            priority,
        };
        let batch = V6
            .sets(V4.sets(self.batch().table()))
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

    /// Adds all elements or none; the table is made if it is not there.
    fn add(&self, placed: &[Placed]) -> Result<(), net::Error> {
        let ask = |source| net::Error::Ask {
            what: "its firewall",
            source,
        };
        let mut socket = Socket::netfilter().map_err(ask)?;
        let gone = |source: &std::io::Error| source.kind() == std::io::ErrorKind::NotFound;
        match filled(self.batch(), placed).commit(&mut socket) {
            Err(net::Error::Firewall { source, .. }) if gone(&source) => {
                filled(self.whole(), placed).commit(&mut socket)
            }
            done => done,
        }
    }

    /// Has the table hold these elements and no others, all at once; without any it goes.
    pub(crate) fn restore(&self, placed: &[Placed]) -> Result<(), Failure> {
        let _turn = self.turn();
        let mut socket = Self::socket()?;
        let batch = match placed.is_empty() {
            true => self.batch().table().delete_table(),
            false => {
                let sets = V4.names().into_iter().chain(V6.names());
                filled(sets.fold(self.whole(), Batch::empty), placed)
            }
        };
        batch.commit(&mut socket)?;
        socket.close_behind();
        Ok(())
    }

    /// Removes those elements of a set that `goes` names.
    fn remove(
        &self,
        sets: &[&'static str],
        goes: impl Fn(&'static str, &Element) -> bool,
    ) -> Result<(), Failure> {
        let _turn = self.turn();
        let mut socket = Self::socket()?;
        let mut batch = None;
        for set in sets {
            let mut all = elements(&mut socket, self.table, set)?;
            all.retain(|element| goes(set, element));
            if !all.is_empty() {
                batch = Some(batch.unwrap_or_else(|| self.batch()).remove(set, &all));
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
            let all = elements(&mut socket, self.table, set)?;
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
            let all = elements(&mut socket, self.table, set).ok()?;
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
