//! One change to the tables, and its bytes in the log.

use crate::{Error, Write};
use std::borrow::Cow;

/// A change whose place in the journal, if it has one, is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Cow<'static, str>, String, Vec<u8>),
    Remove(Cow<'static, str>, String),
    Append(u64, Vec<u8>),
}

/// What stands where a change was that did not happen.
const NOTHING: u8 = 0;
const PUT: u8 = 1;
const REMOVE: u8 = 2;
const APPEND: u8 = 3;

impl Change {
    pub(crate) fn apply(&self, write: &Write) -> Result<(), Error> {
        match self {
            Self::Put(table, key, bytes) => write.put_bytes(table, key, bytes),
            Self::Remove(table, key) => write.remove_key(table, key).map(drop),
            Self::Append(sequence, bytes) => write.append_at(*sequence, bytes),
        }
    }

    /// Adds the change's bytes: its kind, and three strings, each behind its length.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        let (kind, parts): (u8, [&[u8]; 3]) = match self {
            Self::Put(table, key, value) => (PUT, [table.as_bytes(), key.as_bytes(), value]),
            Self::Remove(table, key) => (REMOVE, [table.as_bytes(), key.as_bytes(), &[]]),
            Self::Append(sequence, value) => (APPEND, [&sequence.to_le_bytes(), &[], value]),
        };
        bytes.push(kind);
        for part in parts {
            // A batch beyond 4 GiB does not fit the log, whose size is looked at first.
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }

    /// The changes that `bytes` hold; `None` if they are not of this form.
    pub(crate) fn decode_all(mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut changes = Vec::new();
        while let Some((&kind, rest)) = bytes.split_first() {
            if kind == NOTHING {
                break;
            }
            bytes = rest;
            let [first, key, value] = [part(&mut bytes)?, part(&mut bytes)?, part(&mut bytes)?];
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            changes.push(match kind {
                PUT => Self::Put(text(first)?.into(), text(key)?, value.to_vec()),
                REMOVE => Self::Remove(text(first)?.into(), text(key)?),
                APPEND => Self::Append(u64::from_le_bytes(first.try_into().ok()?), value.to_vec()),
                _ => return None,
            });
        }
        Some(changes)
    }
}

fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<Change> {
        vec![
            Change::Put("things".into(), "a".to_owned(), vec![1, 0, 2]),
            Change::Remove("things".into(), String::new()),
            Change::Append(u64::MAX - 1, b"{}".to_vec()),
        ]
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        for change in changes() {
            change.encode(&mut bytes);
        }
        bytes
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        assert_eq!(Change::decode_all(&encoded()), Some(changes()));
        assert_eq!(Change::decode_all(&[]), Some(vec![]));
    }

    #[test]
    fn zeros_are_no_changes() {
        assert_eq!(Change::decode_all(&[0; 64]), Some(vec![]));
    }

    #[test]
    fn a_part_of_a_change_is_none() {
        let bytes = encoded();
        for end in 0..bytes.len() {
            let decoded = Change::decode_all(&bytes[..end]);
            assert!(
                decoded
                    .as_ref()
                    .is_none_or(|found| found.len() < changes().len()),
                "{end}: {decoded:?}"
            );
        }
    }
}
