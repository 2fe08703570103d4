//! Extended attributes behind an inode: in place, or by reference to an equal one before.

use std::collections::HashMap;

use crate::entry::Xattr;
use crate::error::{Error, show};

/// The header in front of an inode's attributes.
const HEADER: usize = 12;
/// Distinct attributes that are remembered, and the bytes of the longest.
const REMEMBERED: usize = 4096;
const LONGEST: usize = 1024;
/// References that an inode may hold.
const REFERENCES: usize = 255;

/// Prefixes with their index. Those of ACLs are whole names.
const PREFIXES: [(&[u8], u8); 5] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
];

impl Xattr {
    /// Whether an image can hold it: `user.`, `trusted.`, `security.` and ACLs.
    pub fn is_supported(&self) -> bool {
        split(&self.name).is_some()
    }
}

fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    PREFIXES.iter().find_map(|(prefix, index)| {
        let rest = name.strip_prefix(*prefix)?;
        let whole = !prefix.ends_with(b".");
        (whole == rest.is_empty()).then_some((*index, rest))
    })
}

/// Attributes in the form on disk.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// Header, references, entries; empty if there is no attribute.
    pub(crate) bytes: Vec<u8>,
    /// The entries in place, with their offset in `bytes`.
    entries: Vec<(usize, Vec<u8>)>,
}

impl Encoded {
    /// The inode's count: 0 for none, else the 4-byte units behind the header, and one.
    pub(crate) fn count(&self) -> u16 {
        match self.bytes.len() {
            0 => 0,
            length => u16::try_from((length - HEADER) / 4 + 1).unwrap_or(u16::MAX),
        }
    }
}

/// Where an equal attribute is already.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    references: HashMap<Vec<u8>, u32>,
}

impl Shared {
    /// The attributes for an inode; those known already as references.
    pub(crate) fn encode(&self, path: &[u8], xattrs: &[Xattr]) -> Result<Encoded, Error> {
        if xattrs.is_empty() {
            return Ok(Encoded::default());
        }
        let mut references = Vec::new();
        let mut entries = Vec::new();
        for entry in entries_of(path, xattrs)? {
            match self.references.get(&entry) {
                Some(reference) if references.len() < REFERENCES => references.push(*reference),
                _ => entries.push(entry),
            }
        }
        let mut encoded = Encoded {
            bytes: vec![0; HEADER],
            entries: Vec::new(),
        };
        encoded.bytes[4] = u8::try_from(references.len()).unwrap_or(u8::MAX);
        for reference in references {
            encoded.bytes.extend_from_slice(&reference.to_le_bytes());
        }
        for entry in entries {
            let at = encoded.bytes.len();
            encoded.bytes.extend_from_slice(&entry);
            encoded.entries.push((at, entry));
        }
        if (encoded.bytes.len() - HEADER) / 4 + 1 > usize::from(u16::MAX) {
            return Err(refused(path, "more than 256 KiB"));
        }
        Ok(encoded)
    }

    /// Remembers the entries that were written behind an inode, the first of them at `offset`.
    pub(crate) fn remember(&mut self, encoded: Encoded, offset: u64) {
        for (at, entry) in encoded.entries {
            self.remember_entry(entry, offset + at as u64);
        }
    }

    /// Remembers an entry that was written alone.
    pub(crate) fn remember_entry(&mut self, entry: Vec<u8>, offset: u64) {
        if entry.len() <= LONGEST
            && self.references.len() < REMEMBERED
            && let Ok(reference) = u32::try_from(offset / 4)
        {
            self.references.entry(entry).or_insert(reference);
        }
    }
}

/// Each attribute's entry, sorted by name; of equal names the last.
pub(crate) fn entries_of(path: &[u8], xattrs: &[Xattr]) -> Result<Vec<Vec<u8>>, Error> {
    let mut sorted: Vec<&Xattr> = Vec::with_capacity(xattrs.len());
    for xattr in xattrs {
        sorted.retain(|other| other.name != xattr.name);
        sorted.push(xattr);
    }
    sorted.sort();
    sorted.iter().map(|xattr| entry(path, xattr)).collect()
}

fn entry(path: &[u8], xattr: &Xattr) -> Result<Vec<u8>, Error> {
    let (index, name) =
        split(&xattr.name).ok_or_else(|| refused(path, "a namespace that EROFS does not have"))?;
    let length = u8::try_from(name.len()).map_err(|_| refused(path, "a name beyond 255 bytes"))?;
    let size = u16::try_from(xattr.value.len())
        .map_err(|_| refused(path, "a value beyond 65535 bytes"))?;
    if name.contains(&0) || (name.is_empty() && index != 2 && index != 3) {
        return Err(refused(path, "a name that is empty or has a zero byte"));
    }
    let mut bytes = vec![length, index];
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&xattr.value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

fn refused(path: &[u8], reason: &'static str) -> Error {
    Error::Xattr {
        path: show(path),
        reason,
    }
}
