//! What the table has of each family of addresses: sets, and rules that look them up.

use super::octets;
use net::Subnet;
use net::nft::{
    Batch, Compare, Direction, Expression as E, Family, Field, Key, Meta, Register, Set, Verdict,
};
use std::net::IpAddr;

/// What differs between the families.
pub(super) struct Kind {
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
    pub(super) masked: &'static str,
    /// Pods and the subnets for which they are not.
    pub(super) inside: &'static str,
    /// Senders' subnets and pods that they reach by a mapped port.
    pub(super) hairpin: &'static str,
    pub(super) any: &'static str,
    pub(super) bound: &'static str,
}

pub(super) const V4: Kind = Kind {
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

pub(super) const V6: Kind = Kind {
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

/// Connections whose destination was translated.
const TRANSLATED: &[u8] = &32_u32.to_ne_bytes();
const ZERO: &[u8] = &[0; 4];
const R: Register = Register(0);

impl Kind {
    pub(super) const fn of(address: IpAddr) -> &'static Self {
        match address {
            IpAddr::V4(_) => &V4,
            IpAddr::V6(_) => &V6,
        }
    }

    pub(super) fn sets(&self, mut batch: Batch<'static>) -> Batch<'static> {
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

    pub(super) const fn names(&self) -> [&'static str; 5] {
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

    pub(super) fn rules(&self, batch: Batch<'static>) -> Batch<'static> {
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
    pub(super) fn ends(subnet: Subnet) -> (Vec<u8>, Vec<u8>) {
        (octets(subnet.first()), octets(subnet.last()))
    }
}
