//! Questions read, and answered from the names of networks.

use crate::names::{Family, Found, Names};
use crate::request::Sandbox;
use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AnswerBuilder, StaticCompressor};
use domain::base::{Message, MessageBuilder, Name, ToName, Ttl};
use domain::rdata::{A, Aaaa, Ptr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// COMPAT: dockerd's.
const TTL: Ttl = Ttl::from_secs(600);
/// What datagrams hold if nobody says more.
const SMALL: u16 = 512;
/// What ours hold that are asked for with EDNS; larger ones may be cut on their way.
const OURS: u16 = 1232;
/// The room that the record of EDNS takes.
const EDNS: usize = 11;

/// By what a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Datagram,
    Stream,
}

/// What becomes of a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This is the answer.
    Answer(Vec<u8>),
    /// Others must be asked.
    Forward,
    /// It is no question.
    Nothing,
}

type Builder = AnswerBuilder<StaticCompressor<Vec<u8>>>;

/// Answers a question of a sandbox's. `turn` says which of several addresses is the first.
pub(crate) fn answer(
    query: &[u8],
    transport: Transport,
    (sandbox, names): (&Sandbox, &Names),
    turn: usize,
) -> Outcome {
    let Ok(message) = Message::from_slice(query) else {
        return Outcome::Nothing;
    };
    if message.header().qr() {
        return Outcome::Nothing;
    }
    if message.header().opcode() != Opcode::QUERY {
        return refuse(query, Rcode::NOTIMP);
    }
    let Ok(question) = message.sole_question() else {
        return refuse(query, Rcode::FORMERR);
    };
    let name = question.qname().to_string();
    let places = &sandbox.places;
    let local = match (question.qclass(), question.qtype()) {
        (Class::IN, Rtype::A) => addresses(names.find(places, &name, Family::V4), turn),
        (Class::IN, Rtype::AAAA) => addresses(names.find(places, &name, Family::V6), turn),
        // Without a record of it, mail goes to the name's addresses (RFC 5321, 5.1).
        (Class::IN, Rtype::MX) => match names.find(places, &name, Family::V4) {
            Found::Addresses(_) => Some(Local::Addresses(Vec::new())),
            Found::Unknown => None,
        },
        (Class::IN, Rtype::PTR) => {
            let owner = reversed(&name).and_then(|address| names.owner(places, address));
            owner.map(Local::Name)
        }
        _ => None,
    };
    match local {
        Some(local) => build(message, question.qname(), &local, transport),
        None => others(query, question.qtype(), &name, sandbox),
    }
}

/// What is found in the names of networks.
enum Local {
    Addresses(Vec<IpAddr>),
    Name(String),
}

fn addresses(found: Found, turn: usize) -> Option<Local> {
    match found {
        Found::Unknown => None,
        Found::Addresses(mut all) => {
            let first = turn.checked_rem(all.len()).unwrap_or_default();
            all.rotate_left(first);
            Some(Local::Addresses(all))
        }
    }
}

fn others(query: &[u8], kind: Rtype, name: &str, sandbox: &Sandbox) -> Outcome {
    let resolver = &sandbox.resolver;
    if !resolver.forwards {
        return refuse(query, Rcode::SERVFAIL);
    }
    let is_address = matches!(kind, Rtype::A | Rtype::AAAA);
    if resolver.single_labels_stay && is_address && !name.contains('.') {
        return refuse(query, Rcode::NOERROR);
    }
    Outcome::Forward
}

/// An answer of these words alone.
pub(crate) fn refuse(query: &[u8], rcode: Rcode) -> Outcome {
    let Ok(message) = Message::from_slice(query) else {
        return Outcome::Nothing;
    };
    let started = MessageBuilder::new_vec().try_start_answer(message, rcode);
    let mut builder = started.unwrap_or_else(|failed| failed);
    builder.header_mut().set_ra(true);
    Outcome::Answer(builder.finish())
}

fn build(
    message: &Message<[u8]>,
    name: impl ToName + Copy,
    local: &Local,
    transport: Transport,
) -> Outcome {
    let target = StaticCompressor::new(Vec::new());
    let Ok(builder) = MessageBuilder::from_target(target);
    let Ok(mut builder) = builder.start_answer(message, Rcode::NOERROR) else {
        return Outcome::Nothing;
    };
    builder.header_mut().set_ra(true);
    let edns = message.opt().map(|opt| opt.udp_payload_size());
    let room = match (transport, edns) {
        (Transport::Stream, _) => usize::from(u16::MAX),
        (Transport::Datagram, None) => usize::from(SMALL),
        (Transport::Datagram, Some(asked)) => usize::from(asked.max(SMALL)),
    };
    let reserved = if edns.is_some() { EDNS } else { 0 };
    builder.set_push_limit(room - reserved);
    if push(&mut builder, name, local).is_err() {
        builder.header_mut().set_tc(true);
    }
    builder.clear_push_limit();
    let mut rest = builder.additional();
    if edns.is_some()
        && rest
            .opt(|opt| {
                opt.set_udp_payload_size(OURS);
                Ok(())
            })
            .is_err()
    {
        return Outcome::Nothing;
    }
    Outcome::Answer(rest.finish().into_target())
}

/// As much as there is room for.
fn push(builder: &mut Builder, name: impl ToName + Copy, local: &Local) -> Result<(), ()> {
    match local {
        Local::Addresses(all) => all.iter().try_for_each(|address| {
            let pushed = match address {
                IpAddr::V4(own) => builder.push((name, Class::IN, TTL, A::new(*own))),
                IpAddr::V6(own) => builder.push((name, Class::IN, TTL, Aaaa::new(*own))),
            };
            pushed.map_err(drop)
        }),
        Local::Name(text) => {
            let owner: Name<Vec<u8>> = text.parse().map_err(drop)?;
            let pushed = builder.push((name, Class::IN, TTL, Ptr::new(owner)));
            pushed.map_err(drop)
        }
    }
}

/// The address that a name of the reverse trees stands for.
fn reversed(name: &str) -> Option<IpAddr> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = labels.rsplit('.');
        for octet in &mut octets {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels
            .next()
            .is_none()
            .then(|| Ipv4Addr::from(octets).into());
    }
    let labels = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0_u128;
    let mut count = 0;
    for label in labels.rsplit('.') {
        let digit = u8::from_str_radix(label, 16)
            .ok()
            .filter(|_| label.len() == 1)?;
        bits = bits.checked_shl(4)? | u128::from(digit);
        count += 1;
    }
    (count == 32).then(|| Ipv6Addr::from(bits).into())
}

#[cfg(test)]
mod tests;
