//! What a rule is made of: loads into registers, comparisons, look-ups, verdicts.

use netlink::Message;

/// One of sixteen registers of four bytes; longer values fill the following ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(pub u32);

impl Register {
    /// `NFT_REG32_00 + n`
    fn number(self) -> u32 {
        8 + self.0
    }
}

/// A fact about a packet (`NFT_META_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// Its mark, 4 bytes.
    Mark = 3,
    /// The name of the link it came by, 16 bytes.
    InName = 6,
    /// The name of the link it leaves by, 16 bytes.
    OutName = 7,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`, 1 byte.
    Family = 15,
    /// TCP, UDP, SCTP and so on, 1 byte.
    Protocol = 16,
}

/// A field of a packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The Ethernet address of the sender.
    EthernetSource,
    /// The source address of IPv4.
    Source4,
    /// The destination address of IPv4.
    Destination4,
    /// The source address of IPv6.
    Source6,
    /// The destination address of IPv6.
    Destination6,
    /// The source port of TCP, UDP, SCTP.
    SourcePort,
    /// The destination port of TCP, UDP, SCTP.
    DestinationPort,
}

/// Where a transport protocol has its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// In TCP's header.
    Tcp = 16,
    /// In UDP's.
    Udp = 6,
}

impl Field {
    /// Base (link 0, network 1, transport 2), offset and length.
    const fn place(self) -> (u32, u32, u32) {
        match self {
            Self::EthernetSource => (0, 6, 6),
            Self::Source4 => (1, 12, 4),
            Self::Destination4 => (1, 16, 4),
            Self::Source6 => (1, 8, 16),
            Self::Destination6 => (1, 24, 16),
            Self::SourcePort => (2, 0, 2),
            Self::DestinationPort => (2, 2, 2),
        }
    }
}

/// How a register is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal.
    Is = 0,
    /// Not equal.
    IsNot = 1,
}

/// Which address translation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The source.
    Source = 0,
    /// The destination.
    Destination = 1,
}

/// Which family's address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4 = 2,
    /// IPv6.
    V6 = 10,
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// This hook lets it pass.
    Accept,
    /// It is gone.
    Drop,
    /// Back to the chain that jumped here.
    Return,
    /// On through another chain, and back.
    Jump(&'a str),
}

/// One step of a rule; a comparison that fails ends the rule.
#[derive(Clone, Copy, Debug)]
pub enum Expression<'a> {
    /// Loads a fact.
    Meta(Meta, Register),
    /// Loads a header's field.
    Payload(Field, Register),
    /// Loads a value of ours.
    Value(Register, &'a [u8]),
    /// Writes a register to a field of the transport header, and sets its checksum right.
    Store(Register, Field, Checksum),
    /// Loads the state of the connection, a set of bits: established 2, related 4, new 8.
    State(Register),
    /// Loads the status of the connection, a set of bits: destination translated 32.
    Status(Register),
    /// Loads the type of the destination address: local 2 (`RTN_LOCAL`).
    DestinationType(Register),
    /// Keeps only these bits of a register.
    Mask(Register, &'a [u8]),
    /// Compares a register.
    Compare(Register, Compare, &'a [u8]),
    /// Ends the rule unless the register's value is in a set.
    In(Register, &'a str),
    /// Ends the rule if the register's value is in a set.
    NotIn(Register, &'a str),
    /// Looks a register's value up in a map and loads what is found.
    Map(Register, &'a str, Register),
    /// Decides.
    Verdict(Verdict<'a>),
    /// Rewrites an address, and the port if there is a register for it.
    Translate(Direction, Family, Register, Option<Register>),
    /// Rewrites the source address to that of the link it leaves by.
    Masquerade,
    /// Counts packets and bytes.
    Counter,
}

impl Expression<'_> {
    /// Adds this expression to a list of them.
    pub(super) fn write(&self, message: Message) -> Message {
        const ELEMENT: u16 = 1;
        message.with_nested(ELEMENT, |m| {
            m.with_text(1, self.name()).with_nested(2, |m| self.body(m))
        })
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Payload(..) | Self::Store(..) => "payload",
            Self::State(_) | Self::Status(_) => "ct",
            Self::DestinationType(_) => "fib",
            Self::Mask(..) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::In(..) | Self::NotIn(..) | Self::Map(..) => "lookup",
            Self::Verdict(_) | Self::Value(..) => "immediate",
            Self::Translate(..) => "nat",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
        }
    }

    fn body(&self, m: Message) -> Message {
        match *self {
            Self::Meta(key, into) => m.with_be32(1, into.number()).with_be32(2, key as u32),
            Self::Payload(field, into) => {
                let (base, offset, length) = field.place();
                m.with_be32(1, into.number())
                    .with_be32(2, base)
                    .with_be32(3, offset)
                    .with_be32(4, length)
            }
            Self::Value(into, value) => m
                .with_be32(1, into.number())
                .with_nested(2, |m| m.with(1, value)),
            Self::Store(from, field, checksum) => store(m, from, field, checksum),
            Self::State(into) => m.with_be32(1, into.number()).with_be32(2, 0),
            Self::Status(into) => m.with_be32(1, into.number()).with_be32(2, 2),
            Self::DestinationType(into) => m
                .with_be32(1, into.number())
                .with_be32(2, 3)
                .with_be32(3, 2),
            Self::Mask(register, mask) => bitwise(m, register, mask),
            Self::Compare(register, how, value) => m
                .with_be32(1, register.number())
                .with_be32(2, how as u32)
                .with_nested(3, |m| m.with(1, value)),
            Self::In(register, set) => m.with_text(1, set).with_be32(2, register.number()),
            Self::NotIn(register, set) => m
                .with_text(1, set)
                .with_be32(2, register.number())
                .with_be32(5, 1),
            Self::Map(register, set, into) => m
                .with_text(1, set)
                .with_be32(2, register.number())
                .with_be32(3, into.number()),
            Self::Verdict(verdict) => m
                .with_be32(1, 0)
                .with_nested(2, |m| m.with_nested(2, |m| verdict.body(m))),
            Self::Translate(direction, family, address, port) => {
                let m = m
                    .with_be32(1, direction as u32)
                    .with_be32(2, family as u32)
                    .with_be32(3, address.number());
                port.map_or(m.clone(), |port| m.with_be32(5, port.number()))
            }
            Self::Masquerade | Self::Counter => m,
        }
    }
}

/// The checksum is of the Internet's kind, at its offset in the same header.
fn store(m: Message, from: Register, field: Field, checksum: Checksum) -> Message {
    let (base, offset, length) = field.place();
    m.with_be32(5, from.number())
        .with_be32(2, base)
        .with_be32(3, offset)
        .with_be32(4, length)
        .with_be32(6, 1)
        .with_be32(7, checksum as u32)
}

fn bitwise(m: Message, register: Register, mask: &[u8]) -> Message {
    let length = u32::try_from(mask.len()).unwrap_or_default();
    let zeros = vec![0; mask.len()];
    m.with_be32(1, register.number())
        .with_be32(2, register.number())
        .with_be32(3, length)
        .with_nested(4, |m| m.with(1, mask))
        .with_nested(5, |m| m.with(1, &zeros))
}

impl Verdict<'_> {
    fn body(self, m: Message) -> Message {
        let m = m.with_be32(1, self.code().cast_unsigned());
        match self {
            Self::Jump(chain) => m.with_text(2, chain),
            Self::Accept | Self::Drop | Self::Return => m,
        }
    }

    /// `NF_ACCEPT`, `NF_DROP`, `NFT_RETURN`, `NFT_JUMP`
    const fn code(self) -> i32 {
        match self {
            Self::Accept => 1,
            Self::Drop => 0,
            Self::Return => -5,
            Self::Jump(_) => -3,
        }
    }
}
