//! One firewall table for all bridges of an instance.
//!
//! The number of rules is constant: bridges, subnets and ports are elements of sets and maps.
//!
//! | chain | hook | what it does |
//! |---|---|---|
//! | `martian` | prerouting, before all | drops what comes from outside for 127.0.0.0/8, whoever lets it in |
//! | `arriving`, `leaving` | nat prerouting, output | published ports to endpoints |
//! | `masking` | nat postrouting | the host's address for what leaves a masqueraded subnet |
//! | `passing` | filter forward | isolation: what may pass from, to and between bridges |
//! | `user` | called by `passing` first | people's own rules; never written |
//!
//! What is sent to the host's loopback addresses is left alone: the kernel leads it nowhere
//! else, and the sockets that hold the ports take it.
//!
//! Nothing of others' tables is touched: their drop still drops.

mod barrier;
mod watch;

pub use barrier::Barrier;
pub use watch::Watch;

use crate::network::{Direct, Outside, Peers};
use crate::nft::{
    Batch, Chain, Compare, Direction, Element, Expression as E, Family, Field, Hook, Key, Meta,
    Register, Set, Verdict,
};
use crate::{Endpoint, Error, Network, Port, Subnet};
use netlink::Socket;
use std::net::IpAddr;

const BRIDGES: Set<'static> = links("bridges");
const CLOSED: Set<'static> = links("closed");
/// Bridges whose endpoints others reach by their own addresses: in all their ports (`open`), or
/// in those of `direct` and by echoes (`routed`).
const OPEN4: Set<'static> = links("open4");
const OPEN6: Set<'static> = links("open6");
const ROUTED4: Set<'static> = links("routed4");
const ROUTED6: Set<'static> = links("routed6");
const DIRECT4: Set<'static> = Set {
    name: "direct4",
    key: &[Key::Address4, Key::Protocol, Key::Port],
    data: &[],
    ranges: false,
};
const DIRECT6: Set<'static> = Set {
    name: "direct6",
    key: &[Key::Address6, Key::Protocol, Key::Port],
    data: &[],
    ranges: false,
};
/// A bridge twice: what comes and goes by the same.
const SAME: Set<'static> = Set {
    name: "same",
    key: &[Key::Link, Key::Link],
    data: &[],
    ranges: false,
};
/// The same, of bridges whose endpoints reach each other.
const FRIENDS: Set<'static> = Set {
    name: "friends",
    key: &[Key::Link, Key::Link],
    data: &[],
    ranges: false,
};
const MASKED4: Set<'static> = Set {
    name: "masked4",
    key: &[Key::Address4],
    data: &[],
    ranges: true,
};
const MASKED6: Set<'static> = Set {
    name: "masked6",
    key: &[Key::Address6],
    data: &[],
    ranges: true,
};
/// An endpoint's address twice: what it sends to itself by the host's port. Where bridges are
/// filtered too, nothing says by which bridge that came.
const SELF4: Set<'static> = Set {
    name: "self4",
    key: &[Key::Address4, Key::Address4],
    data: &[],
    ranges: false,
};
const SELF6: Set<'static> = Set {
    name: "self6",
    key: &[Key::Address6, Key::Address6],
    data: &[],
    ranges: false,
};
const ANY4: Set<'static> = Set {
    name: "any4",
    key: &[Key::Protocol, Key::Port],
    data: &[Key::Address4, Key::Port],
    ranges: false,
};
const ANY6: Set<'static> = Set {
    name: "any6",
    key: &[Key::Protocol, Key::Port],
    data: &[Key::Address6, Key::Port],
    ranges: false,
};
const BOUND4: Set<'static> = Set {
    name: "bound4",
    key: &[Key::Address4, Key::Protocol, Key::Port],
    data: &[Key::Address4, Key::Port],
    ranges: false,
};
const BOUND6: Set<'static> = Set {
    name: "bound6",
    key: &[Key::Address6, Key::Protocol, Key::Port],
    data: &[Key::Address6, Key::Port],
    ranges: false,
};

const fn links(name: &'static str) -> Set<'static> {
    Set {
        name,
        key: &[Key::Link],
        data: &[],
        ranges: false,
    }
}

const IPV4: &[u8] = &[2];
const IPV6: &[u8] = &[10];
const ICMP: &[u8] = &[1];
const ICMPV6: &[u8] = &[58];
const LOOPBACK6: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const LOCAL: &[u8] = &2_u32.to_ne_bytes();
const ZERO: &[u8] = &[0; 4];
/// Connections established or related to one.
const KNOWN: &[u8] = &6_u32.to_ne_bytes();
/// Connections whose destination was translated.
const TRANSLATED: &[u8] = &32_u32.to_ne_bytes();
/// A link's name fills four registers.
const SECOND: Register = Register(4);

/// Makes all of the table but the rules of `user` anew in one batch: at the start, and when
/// others have flushed it.
pub fn restore<'a>(
    socket: &mut Socket,
    instance: &str,
    networks: impl IntoIterator<Item = &'a Network>,
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
) -> Result<(), Error> {
    let (networks, endpoints) = (Vec::from_iter(networks), Vec::from_iter(endpoints));
    let fill = |mut batch| {
        for network in &networks {
            batch = with_network(batch, network, Change::Add);
        }
        for endpoint in &endpoints {
            batch = with_ports(batch, endpoint, Change::Add);
        }
        batch
    };
    let kept = fill(rules(emptied(parts(Batch::new(instance).table()))));
    if kept.commit(socket).is_ok() {
        return Ok(());
    }
    // A chain or set of the same name is of another kind.
    fill(rules(parts(Batch::new(instance).fresh_table()))).commit(socket)
}

/// Adds a network's elements.
pub(crate) fn add_network(
    socket: &mut Socket,
    instance: &str,
    network: &Network,
) -> Result<(), Error> {
    with_network(Batch::new(instance), network, Change::Add).commit(socket)
}

/// Removes a network's elements.
pub(crate) fn remove_network(
    socket: &mut Socket,
    instance: &str,
    network: &Network,
) -> Result<(), Error> {
    with_network(Batch::new(instance), network, Change::Remove).commit(socket)
}

/// Publishes an endpoint's ports.
pub(crate) fn publish(
    socket: &mut Socket,
    instance: &str,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    with_ports(Batch::new(instance), endpoint, Change::Add).commit(socket)
}

/// Takes an endpoint's ports back.
pub(crate) fn withdraw(
    socket: &mut Socket,
    instance: &str,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    with_ports(Batch::new(instance), endpoint, Change::Remove).commit(socket)
}

/// Takes ports of endpoints back and publishes those of others, in one step.
pub(crate) fn republish(
    socket: &mut Socket,
    instance: &str,
    before: &[Endpoint],
    after: &[Endpoint],
) -> Result<(), Error> {
    let mut batch = Batch::new(instance);
    for endpoint in before {
        batch = with_ports(batch, endpoint, Change::Remove);
    }
    for endpoint in after {
        batch = with_ports(batch, endpoint, Change::Add);
    }
    batch.commit(socket)
}

/// Removes the table.
pub fn remove(socket: &mut Socket, instance: &str) -> Result<(), Error> {
    Batch::new(instance).table().delete_table().commit(socket)
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

fn change<'a>(batch: Batch<'a>, change: Change, set: Set<'_>, element: Element) -> Batch<'a> {
    match change {
        Change::Add => batch.add(set.name, &[element]),
        Change::Remove => batch.remove(set.name, &[element]),
    }
}

const SETS: [&Set<'static>; 18] = [
    &BRIDGES, &CLOSED, &SAME, &FRIENDS, &MASKED4, &MASKED6, &OPEN4, &OPEN6, &ROUTED4, &ROUTED6,
    &DIRECT4, &DIRECT6, &SELF4, &SELF6, &ANY4, &ANY6, &BOUND4, &BOUND6,
];
/// The chains that are ours.
const CHAINS: [&str; 6] = [
    "published",
    "martian",
    "arriving",
    "leaving",
    "masking",
    "passing",
];

/// Chains and sets, without what is in them.
fn parts(mut batch: Batch<'_>) -> Batch<'_> {
    for set in SETS {
        batch = batch.set(set);
    }
    let base = |name, kind, hook, priority| Chain::Base {
        name,
        kind,
        hook,
        priority,
    };
    batch
        .chain(Chain::Regular("user"))
        .chain(Chain::Regular("published"))
        .chain(base("martian", "filter", Hook::Prerouting, -300))
        .chain(base("arriving", "nat", Hook::Prerouting, -100))
        .chain(base("leaving", "nat", Hook::Output, -100))
        .chain(base("masking", "nat", Hook::Postrouting, 100))
        .chain(base("passing", "filter", Hook::Forward, 0))
}

/// What is in our chains and sets goes.
fn emptied(batch: Batch<'_>) -> Batch<'_> {
    let batch = CHAINS.into_iter().fold(batch, Batch::flush);
    SETS.into_iter()
        .fold(batch, |batch, set| batch.empty(set.name))
}

/// The constant rules.
fn rules(batch: Batch<'_>) -> Batch<'_> {
    passing(masking(publishing(martian(batch))))
}

fn in_name(name: &'static str) -> [u8; 16] {
    padded(name)
}

fn padded(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

fn martian(batch: Batch<'_>) -> Batch<'_> {
    let r = Register(0);
    let outside = [
        E::Meta(Meta::InName, r),
        E::Compare(r, Compare::IsNot, &in_name("lo")),
    ];
    let loopback = [
        E::Meta(Meta::Family, r),
        E::Compare(r, Compare::Is, IPV4),
        E::Payload(Field::Destination4, r),
        E::Mask(r, &[255, 0, 0, 0]),
        E::Compare(r, Compare::Is, &[127, 0, 0, 0]),
        E::Verdict(Verdict::Drop),
    ];
    batch.rule("martian", &[&outside[..], &loopback[..]].concat())
}

fn publishing(batch: Batch<'_>) -> Batch<'_> {
    let r = Register(0);
    let to_host = [
        E::DestinationType(r),
        E::Compare(r, Compare::Is, LOCAL),
        E::Verdict(Verdict::Jump("published")),
    ];
    let batch = batch.rule("arriving", &to_host).rule("leaving", &to_host);
    let batch = loopback(batch);
    let v4 = (Family::V4, IPV4, Field::Destination4);
    let v6 = (Family::V6, IPV6, Field::Destination6);
    [(v4, "bound4", "any4"), (v6, "bound6", "any6")]
        .into_iter()
        .fold(batch, |batch, (family, bound, any)| {
            translating(batch, family, bound, any)
        })
}

/// What is sent to the host's loopback addresses stays there.
fn loopback(batch: Batch<'_>) -> Batch<'_> {
    let r = Register(0);
    let four = [
        E::Meta(Meta::Family, r),
        E::Compare(r, Compare::Is, IPV4),
        E::Payload(Field::Destination4, r),
        E::Mask(r, &[255, 0, 0, 0]),
        E::Compare(r, Compare::Is, &[127, 0, 0, 0]),
        E::Verdict(Verdict::Return),
    ];
    let six = [
        E::Meta(Meta::Family, r),
        E::Compare(r, Compare::Is, IPV6),
        E::Payload(Field::Destination6, r),
        E::Compare(r, Compare::Is, LOOPBACK6),
        E::Verdict(Verdict::Return),
    ];
    batch.rule("published", &four).rule("published", &six)
}

/// Ports bound to one of the host's addresses first, then those bound to all of them.
fn translating<'a>(
    batch: Batch<'a>,
    (family, number, destination): (Family, &'static [u8], Field),
    bound: &'static str,
    any: &'static str,
) -> Batch<'a> {
    let words = if family == Family::V4 { 1 } else { 4 };
    let rule = |address: &[E<'static>], key: u32, map: &'static str| {
        let (found, port) = (Register(8), Register(8 + words));
        let head = [
            E::Meta(Meta::Family, Register(0)),
            E::Compare(Register(0), Compare::Is, number),
        ];
        let tail = [
            E::Meta(Meta::Protocol, Register(key)),
            E::Payload(Field::DestinationPort, Register(key + 1)),
            E::Map(Register(0), map, found),
            E::Translate(Direction::Destination, family, found, Some(port)),
        ];
        [&head[..], address, &tail[..]].concat()
    };
    batch
        .rule(
            "published",
            &rule(&[E::Payload(destination, Register(0))], words, bound),
        )
        .rule("published", &rule(&[], 0, any))
}

fn masking(batch: Batch<'_>) -> Batch<'_> {
    let r = Register(0);
    // An endpoint that reaches another of its bridge by the host's port must be answered
    // through the host.
    let hairpin = [
        E::Status(r),
        E::Mask(r, TRANSLATED),
        E::Compare(r, Compare::IsNot, ZERO),
        E::Meta(Meta::InName, r),
        E::Meta(Meta::OutName, SECOND),
        E::In(r, "same"),
        E::Masquerade,
    ];
    let itself = |number: &'static [u8], (source, destination), words, set| {
        [
            E::Status(r),
            E::Mask(r, TRANSLATED),
            E::Compare(r, Compare::IsNot, ZERO),
            E::Meta(Meta::Family, r),
            E::Compare(r, Compare::Is, number),
            E::Payload(source, r),
            E::Payload(destination, Register(words)),
            E::In(r, set),
            E::Masquerade,
        ]
    };
    let four = (Field::Source4, Field::Destination4);
    let six = (Field::Source6, Field::Destination6);
    let batch = batch
        .rule("masking", &hairpin)
        .rule("masking", &itself(IPV4, four, 1, "self4"))
        .rule("masking", &itself(IPV6, six, 4, "self6"));
    let leaving = |number: &'static [u8], source: Field, subnets: &'static str| {
        [
            E::Meta(Meta::OutName, r),
            E::NotIn(r, "bridges"),
            E::Meta(Meta::Family, r),
            E::Compare(r, Compare::Is, number),
            E::Payload(source, r),
            E::In(r, subnets),
            E::Masquerade,
        ]
    };
    batch
        .rule("masking", &leaving(IPV4, Field::Source4, "masked4"))
        .rule("masking", &leaving(IPV6, Field::Source6, "masked6"))
}

fn passing(batch: Batch<'_>) -> Batch<'_> {
    let r = Register(0);
    let verdict = |verdict| E::Verdict(verdict);
    let pair = |set: &'static str, end| {
        [
            E::Meta(Meta::InName, r),
            E::Meta(Meta::OutName, SECOND),
            E::In(r, set),
            verdict(end),
        ]
    };
    let link = |meta, set: &'static str, end| [E::Meta(meta, r), E::In(r, set), verdict(end)];
    let flags =
        |load, bits: &'static [u8]| [load, E::Mask(r, bits), E::Compare(r, Compare::IsNot, ZERO)];
    let port = |field, words: u32, set| {
        [
            E::Payload(field, r),
            E::Meta(Meta::Protocol, Register(words)),
            E::Payload(Field::DestinationPort, Register(words + 1)),
            E::In(r, set),
        ]
    };
    let direct4 = directly(IPV4, &port(Field::Destination4, 1, "direct4"));
    let direct6 = directly(IPV6, &port(Field::Destination6, 4, "direct6"));
    let echo = |protocol: &'static [u8], set| {
        [
            E::Meta(Meta::Protocol, r),
            E::Compare(r, Compare::Is, protocol),
            E::Meta(Meta::OutName, r),
            E::In(r, set),
        ]
    };
    let echo4 = directly(IPV4, &echo(ICMP, "routed4"));
    let echo6 = directly(IPV6, &echo(ICMPV6, "routed6"));
    let open = |set| {
        [
            E::Meta(Meta::InName, r),
            E::NotIn(r, "bridges"),
            E::Meta(Meta::OutName, r),
            E::In(r, set),
        ]
    };
    let (open4, open6) = (
        directly(IPV4, &open("open4")),
        directly(IPV6, &open("open6")),
    );
    let published = [
        &[E::Meta(Meta::OutName, r), E::In(r, "bridges")][..],
        &flags(E::Status(r), TRANSLATED),
        &[verdict(Verdict::Accept)],
    ]
    .concat();
    batch
        .rule("passing", &[verdict(Verdict::Jump("user"))])
        .rule(
            "passing",
            &[&flags(E::State(r), KNOWN)[..], &[verdict(Verdict::Accept)]].concat(),
        )
        .rule("passing", &pair("friends", Verdict::Accept))
        .rule("passing", &published)
        .rule("passing", &link(Meta::InName, "closed", Verdict::Drop))
        .rule("passing", &link(Meta::OutName, "closed", Verdict::Drop))
        .rule("passing", &pair("same", Verdict::Drop))
        .rule("passing", &direct4)
        .rule("passing", &direct6)
        .rule("passing", &echo4)
        .rule("passing", &echo6)
        .rule("passing", &open4)
        .rule("passing", &open6)
        .rule("passing", &link(Meta::OutName, "bridges", Verdict::Drop))
}

/// What others reach of endpoints by their own addresses: `what` of those of a family.
fn directly(number: &'static [u8], what: &[E<'static>]) -> Vec<E<'static>> {
    let r = Register(0);
    let family = [E::Meta(Meta::Family, r), E::Compare(r, Compare::Is, number)];
    [&family[..], what, &[E::Verdict(Verdict::Accept)]].concat()
}

fn with_network<'a>(mut batch: Batch<'a>, network: &Network, how: Change) -> Batch<'a> {
    let name = padded(&network.bridge);
    let one = || Element::new().part(&name);
    let two = || Element::new().part(&name).part(&name);
    batch = change(change(batch, how, BRIDGES, one()), how, SAME, two());
    if network.peers == Peers::Reachable {
        batch = change(batch, how, FRIENDS, two());
    }
    if network.outside == Outside::Closed {
        return change(batch, how, CLOSED, one());
    }
    for own in &network.addressing {
        if own.masked {
            batch = with_subnet(batch, own.subnet, how);
        }
        let set = match (own.direct, own.subnet.is_ipv6()) {
            (Direct::Nothing, _) => continue,
            (Direct::Published, false) => ROUTED4,
            (Direct::Published, true) => ROUTED6,
            (Direct::Everything, false) => OPEN4,
            (Direct::Everything, true) => OPEN6,
        };
        batch = change(batch, how, set, one());
    }
    batch
}

fn with_subnet<'a>(batch: Batch<'a>, subnet: Subnet, how: Change) -> Batch<'a> {
    let set = if subnet.is_ipv6() { MASKED6 } else { MASKED4 };
    let elements = Element::interval(&octets(subnet.first()), &octets(subnet.last()));
    match how {
        Change::Add => batch.add(set.name, &elements),
        Change::Remove => batch.remove(set.name, &elements),
    }
}

fn with_ports<'a>(mut batch: Batch<'a>, endpoint: &Endpoint, how: Change) -> Batch<'a> {
    let mut targets = Vec::new();
    let ports = endpoint.ports.iter();
    for port in ports.filter(|port| !port.host.is_loopback()) {
        let Some(target) = endpoint.target(port.host) else {
            continue;
        };
        let (set, element) = publication(port, target);
        batch = change(batch, how, set, element);
        if port.host_port != 0 && !targets.contains(&target) {
            targets.push(target);
        }
    }
    for target in targets {
        let set = if target.is_ipv6() { SELF6 } else { SELF4 };
        let own = octets(target);
        batch = change(batch, how, set, Element::new().part(&own).part(&own));
    }
    batch
}

fn publication(port: &Port, target: IpAddr) -> (Set<'static>, Element) {
    let ipv6 = port.host.is_ipv6();
    if port.host_port == 0 {
        let element = Element::new()
            .part(&octets(target))
            .part(&[port.protocol as u8])
            .part(&port.port.to_be_bytes());
        return (if ipv6 { DIRECT6 } else { DIRECT4 }, element);
    }
    let (set, element) = match (ipv6, port.host.is_unspecified()) {
        (false, true) => (ANY4, Element::new()),
        (true, true) => (ANY6, Element::new()),
        (false, false) => (BOUND4, Element::new().part(&octets(port.host))),
        (true, false) => (BOUND6, Element::new().part(&octets(port.host))),
    };
    let element = element
        .part(&[port.protocol as u8])
        .part(&port.host_port.to_be_bytes())
        .data(&octets(target))
        .data(&port.port.to_be_bytes());
    (set, element)
}

fn octets(address: IpAddr) -> Vec<u8> {
    crate::address::octets(address)
}
