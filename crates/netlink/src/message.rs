//! Writing a message: header, the family's fixed part, attributes.

use crate::attribute::NESTED;

pub(crate) const HEADER: usize = 16;

/// What a request asks for, `NLM_F_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    const REQUEST: u16 = 1;
    const ACK: u16 = 4;

    /// Do it to what is there.
    pub const CHANGE: Self = Self(Self::REQUEST | Self::ACK);
    /// Make it; an error if it is there.
    pub const CREATE: Self = Self(Self::REQUEST | Self::ACK | 0x400 | 0x200);
    /// Make it, or leave it as it is there.
    pub const ENSURE: Self = Self(Self::REQUEST | Self::ACK | 0x400);
    /// Make it in the place of what is there.
    pub const REPLACE: Self = Self(Self::REQUEST | Self::ACK | 0x400 | 0x100);
    /// Make it after all others of its kind (`NLM_F_APPEND`): a rule at its chain's end.
    pub const APPEND: Self = Self(Self::REQUEST | Self::ACK | 0x400 | 0x800);
    /// A part of a batch that wants no answer: its begin and end.
    pub const BATCH: Self = Self(Self::REQUEST);
    /// Tell all of a kind.
    pub const DUMP: Self = Self(Self::REQUEST | 0x300);
    /// Tell one thing.
    pub const TELL: Self = Self(Self::REQUEST);

    pub(crate) fn wants_acknowledgement(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Vec<u8>,
    pub(crate) flags: Flags,
}

impl Message {
    /// A message of `kind` (`RTM_*`, or subsystem and operation) with its family's fixed part.
    pub fn new(kind: u16, flags: Flags, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.0.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        let mut message = Self { bytes, flags };
        message.pad();
        message
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(kind, value);
        self
    }

    /// Adds a text with its NUL.
    #[must_use]
    pub fn with_text(self, kind: u16, text: &str) -> Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.with(kind, &value)
    }

    /// Adds a number in the host's byte order, as the routing family wants it.
    #[must_use]
    pub fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// Adds a number in network byte order, as the netfilter family wants it.
    #[must_use]
    pub fn with_be32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// Adds an attribute whose value is what `fill` adds.
    #[must_use]
    pub fn with_nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = u16::try_from(filled.bytes.len() - start).unwrap_or(u16::MAX);
        filled.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    /// Adds bytes that are no attribute: a fixed part within a nested attribute.
    #[must_use]
    pub fn with_bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self.pad();
        self
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        // Values come from bounded names, addresses and sets; a longer one is cut by the
        // kernel's own check of the length.
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The message with its length and `sequence` written in.
    /// Wants no answer unless it is refused.
    pub(crate) fn hush(&mut self) {
        self.flags = Flags(self.flags.0 & !Flags::ACK);
        self.bytes[6..8].copy_from_slice(&self.flags.0.to_ne_bytes());
    }

    pub(crate) fn seal(&mut self, sequence: u32) -> &[u8] {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }
}
