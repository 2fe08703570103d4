//! The keys that detach a client from a terminal.

/// Looks for a sequence of keys in what a client types.
#[derive(Debug)]
pub(crate) struct Detector {
    keys: Vec<u8>,
    matched: usize,
}

impl Detector {
    /// Looks for `keys`.
    pub(crate) fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// Appends to `passed` what of `typed` is meant for the process; true once the keys were
    /// typed. Keys of a sequence that may still become whole are held back.
    pub(crate) fn feed(&mut self, typed: &[u8], passed: &mut Vec<u8>) -> bool {
        for byte in typed {
            if self.keys.get(self.matched) != Some(byte) {
                passed.extend_from_slice(self.keys.get(..self.matched).unwrap_or_default());
                self.matched = 0;
            }
            if self.keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return true;
                }
            } else {
                passed.push(*byte);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_everything_else_passes() {
        for (typed, passed, detached) in [
            (&b"abc"[..], &b"abc"[..], false),
            (b"ab\x10\x11cd", b"ab", true),
            (b"\x10a\x10\x10\x11", b"\x10a\x10", true),
            (b"\x11\x10", b"\x11", false),
        ] {
            for size in [1, 2, 100] {
                let mut detector = Detector::new(vec![16, 17]);
                let mut to = Vec::new();
                let mut parts = typed.chunks(size);
                let found = parts.any(|part| detector.feed(part, &mut to));
                assert_eq!((to.as_slice(), found), (passed, detached), "{typed:?}");
            }
        }
    }
}
