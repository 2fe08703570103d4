//! Reading attributes: a length, a kind, a value, padded to four bytes.

/// The bit that marks an attribute whose value is attributes (`NLA_F_NESTED`).
pub(crate) const NESTED: u16 = 1 << 15;
/// The bits of the kind that are no flags (`NLA_TYPE_MASK`).
const KIND: u16 = 0x3fff;

/// The attributes in some bytes, in order: kind without its flags, and value.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`; what does not read as one ends them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The first of this kind.
    pub fn find_kind(&self, kind: u16) -> Option<&'a [u8]> {
        self.clone()
            .find(|(own, _)| *own == kind)
            .map(|(_, value)| value)
    }

    /// The first of this kind, as text up to its NUL.
    pub fn find_text(&self, kind: u16) -> Option<String> {
        let value = self.find_kind(kind)?;
        let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
        Some(String::from_utf8_lossy(&value[..end]).into_owned())
    }

    /// The first of this kind, as a number in the host's byte order.
    pub fn find_u32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_ne_bytes(self.find_kind(kind)?.try_into().ok()?))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.0.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]) & KIND;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}
