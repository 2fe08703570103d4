//! By which Ethernet addresses links of bridges may send.

use super::{Placed, R};
use net::link::Mac;
use net::nft::{
    Batch, Chain, Element, Expression as E, Field, Hook, Key, Meta, Register, Set, Verdict,
};

/// Links that are looked at.
const LINKS: &str = "links";
/// These links, each with the address that is its own.
const SENDERS: &str = "senders";
pub(super) const SETS: [&str; 2] = [LINKS, SENDERS];

/// Sets and rules, before any other that bridges have.
pub(super) fn rules(batch: Batch<'static>) -> Batch<'static> {
    let set = |batch: Batch<'static>, name, key: &[Key]| {
        batch.set(&Set {
            name,
            key,
            data: &[],
            ranges: false,
        })
    };
    let base = Chain::Base {
        name: "arriving",
        kind: "filter",
        hook: Hook::Prerouting,
        priority: -300,
    };
    let batch = set(batch, LINKS, &[Key::Link]);
    let batch = set(batch, SENDERS, &[Key::Link, Key::Ethernet]);
    batch.chain(base).flush("arriving").rule(
        "arriving",
        &[
            E::Meta(Meta::InName, R),
            E::In(R, LINKS),
            // A name fills four registers.
            E::Payload(Field::EthernetSource, Register(4)),
            E::NotIn(R, SENDERS),
            E::Verdict(Verdict::Drop),
        ],
    )
}

/// A link's name as the kernel compares it.
pub(super) fn name(link: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = link.len().min(bytes.len() - 1);
    bytes[..length].copy_from_slice(&link.as_bytes()[..length]);
    bytes
}

/// What binds a link to its address.
pub(crate) fn bound(link: &str, mac: Mac) -> [Placed; 2] {
    let link = Element::new().part(&name(link));
    [(LINKS, link.clone()), (SENDERS, link.part(&mac))]
}
