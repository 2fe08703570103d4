//! Sets and maps: one look-up, however many elements.

use netlink::{Attributes, Message};

const INTERVAL: u32 = 4;
const MAP: u32 = 8;
const CONCATENATED: u32 = 0x80;

/// A part of a key or of a map's data. The number is what the `nft` command knows the type
/// by; the kernel only reads the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// An address of IPv4.
    Address4,
    /// An address of IPv6.
    Address6,
    /// TCP, UDP, SCTP and so on.
    Protocol,
    /// A port.
    Port,
    /// A link's name.
    Link,
    /// An Ethernet address.
    Ethernet,
}

impl Key {
    const fn type_number(self) -> u32 {
        match self {
            Self::Address4 => 7,
            Self::Address6 => 8,
            Self::Ethernet => 9,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Link => 41,
        }
    }

    const fn length(self) -> u32 {
        match self {
            Self::Address4 => 4,
            Self::Address6 | Self::Link => 16,
            Self::Protocol => 1,
            Self::Port => 2,
            Self::Ethernet => 6,
        }
    }
}

/// Types concatenated, six bits each, as the `nft` command writes them.
fn type_number(keys: &[Key]) -> u32 {
    keys.iter()
        .fold(0, |number, key| number << 6 | key.type_number())
}

/// Each part fills whole registers.
fn length(keys: &[Key]) -> u32 {
    match keys {
        [one] => one.length(),
        many => many
            .iter()
            .map(|key| key.length().next_multiple_of(4))
            .sum(),
    }
}

/// A named set, or a map if it has data.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is looked up, in consecutive registers.
    pub key: &'a [Key],
    /// What is found; empty for a set.
    pub data: &'a [Key],
    /// Whether its elements are ranges.
    pub ranges: bool,
}

impl Set<'_> {
    pub(super) fn write(&self, message: Message) -> Message {
        let mut flags = 0;
        if !self.data.is_empty() {
            flags |= MAP;
        }
        if self.ranges {
            flags |= INTERVAL;
        }
        let concatenated = self.key.len() > 1;
        if concatenated && self.ranges {
            flags |= CONCATENATED;
        }
        let mut message = message
            .with_text(2, self.name)
            .with_be32(3, flags)
            .with_be32(4, type_number(self.key))
            .with_be32(5, length(self.key));
        if !self.data.is_empty() {
            message = message
                .with_be32(6, type_number(self.data))
                .with_be32(7, length(self.data));
        }
        if concatenated && self.ranges {
            message = message.with_nested(9, |m| m.with_nested(2, |m| self.lengths(m)));
        }
        // For the nft command alone: names are in the host's byte order (NFTNL_UDATA_SET_KEYBYTEORDER).
        if self.key == [Key::Link] {
            message = message.with(13, &[0, 4, 1, 0, 0, 0]);
        }
        // The set's number within the batch, which the kernel wants even where none refers to it.
        message.with_be32(10, 1)
    }

    /// The length of each part of the key, which ranges of several parts need.
    fn lengths(&self, message: Message) -> Message {
        let part = |m: Message, key: &Key| m.with_nested(1, |m| m.with_be32(1, key.length()));
        self.key.iter().fold(message, part)
    }
}

/// One element: a key, or a range of keys, and a map's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    key: Vec<u8>,
    last: Option<Vec<u8>>,
    data: Vec<u8>,
    end: bool,
}

impl Element {
    /// The element of this key; parts are added with [`Self::part`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part to the key.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        if let Some(last) = &mut self.last {
            append(last, bytes);
        }
        append(&mut self.key, bytes);
        self
    }

    /// Adds a part that is a range, both ends included.
    #[must_use]
    pub fn range(mut self, first: &[u8], last: &[u8]) -> Self {
        let mut end = self.last.take().unwrap_or_else(|| self.key.clone());
        append(&mut end, last);
        append(&mut self.key, first);
        self.last = Some(end);
        self
    }

    /// Adds a part to what a map gives.
    #[must_use]
    pub fn data(mut self, bytes: &[u8]) -> Self {
        append(&mut self.data, bytes);
        self
    }

    /// The two elements that bound a range in a set of one part: its first key, and the key
    /// behind its last, marked as an end. A range up to the last of all keys has no end.
    pub fn interval(first: &[u8], last: &[u8]) -> Vec<Self> {
        let mut elements = vec![Self::new().part(first)];
        let mut behind = last.to_vec();
        let carried = behind.iter_mut().rev().any(|byte| {
            *byte = byte.wrapping_add(1);
            *byte != 0
        });
        if carried {
            elements.push(Self {
                end: true,
                ..Self::new().part(&behind)
            });
        }
        elements
    }

    /// Its key, or the first of its range; parts of several are padded to whole registers.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// What a map gives for it.
    pub fn given(&self) -> &[u8] {
        &self.data
    }

    /// The elements that an answer of the kernel lists.
    pub(super) fn read_all(attributes: &Attributes<'_>) -> Vec<Self> {
        let listed = attributes.find_kind(3).map(Attributes::new);
        let value = |of: &Attributes<'_>, kind| {
            let nested = of.find_kind(kind).map(Attributes::new)?;
            nested.find_kind(1).map(<[u8]>::to_vec)
        };
        let one = |(_, bytes)| {
            let own = Attributes::new(bytes);
            let flags = own.find_kind(3);
            Self {
                key: value(&own, 1).unwrap_or_default(),
                last: value(&own, 10),
                data: value(&own, 2).unwrap_or_default(),
                end: flags.is_some_and(|flags| flags.last() == Some(&1)),
            }
        };
        listed.into_iter().flatten().map(one).collect()
    }

    pub(super) fn write_all(message: Message, elements: &[Self]) -> Message {
        message.with_nested(3, |m| {
            elements.iter().fold(m, |m, element| element.write(m))
        })
    }

    fn write(&self, message: Message) -> Message {
        const ELEMENT: u16 = 1;
        message.with_nested(ELEMENT, |m| {
            let m = m.with_nested(1, |m| m.with(1, &self.key));
            let m = if self.data.is_empty() {
                m
            } else {
                m.with_nested(2, |m| m.with(1, &self.data))
            };
            let m = if self.end { m.with_be32(3, 1) } else { m };
            match &self.last {
                Some(last) => m.with_nested(10, |m| m.with(1, last)),
                None => m,
            }
        })
    }
}

/// Appends a part; the one before it is padded to whole registers first.
fn append(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(part);
    if bytes.len() > part.len() {
        // More than one part: the kernel counts each in whole registers.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
}
