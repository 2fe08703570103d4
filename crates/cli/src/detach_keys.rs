//! The keys that leave a container running: `ctrl-p,ctrl-q` unless told otherwise.

use crate::failure::{Failure, Result};

/// A sequence of keys to watch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were just typed.
    typed: usize,
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self {
            keys: vec![0x10, 0x11],
            typed: 0,
        }
    }
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`, `a,b`, `ctrl-@`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let keys = text.split(',').map(|key| {
            one(key).ok_or_else(|| {
                Failure::text(
                    1,
                    format!("invalid detach keys ({text}) provided: unknown character: '{key}'"),
                )
            })
        });
        Ok(Self {
            keys: keys.collect::<Result<_>>()?,
            typed: 0,
        })
    }

    /// Looks through what was typed: what of it is for the container, and whether to detach.
    /// A beginning of the sequence is held back until it is clear what it was.
    pub(crate) fn pass(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(input.len() + self.typed);
        for byte in input {
            if self.keys.get(self.typed) == Some(byte) {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    self.typed = 0;
                    return (passed, true);
                }
                continue;
            }
            passed.extend(self.keys.iter().take(self.typed));
            self.typed = usize::from(self.keys.first() == Some(byte));
            if self.typed == 0 {
                passed.push(*byte);
            } else if self.keys.len() == 1 {
                return (passed, true);
            }
        }
        (passed, false)
    }
}

fn one(key: &str) -> Option<u8> {
    match (key.as_bytes(), key.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([byte], _) => Some(*byte),
        (_, Some([letter @ b'a'..=b'z'])) => Some(letter - b'a' + 1),
        (_, Some([letter @ b'A'..=b'Z'])) => Some(letter - b'A' + 1),
        (_, Some(b"@")) => Some(0),
        (_, Some([sign @ b'['..=b'_'])) => Some(sign - b'[' + 27),
        _ if key.eq_ignore_ascii_case("DEL") => Some(127),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_found_wherever_reads_cut_them() {
        let mut keys = DetachKeys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys, DetachKeys::default());
        assert_eq!(keys.pass(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.pass(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(keys.pass(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.pass(b"\x11rest"), (Vec::new(), true));
        assert!(DetachKeys::parse("ctrl-").is_err());
        assert!(DetachKeys::parse("").is_err());
        assert_eq!(
            DetachKeys::parse("a,ctrl-@,ctrl-[").unwrap().keys,
            [b'a', 0, 27]
        );
    }
}
