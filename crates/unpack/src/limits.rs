//! What an input may ask for at most.

use serde::{Deserialize, Serialize};

/// Caps on every size that an input chooses. A value is the largest that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes read from the stream.
    pub input: u64,
    /// Bytes after decompression.
    pub uncompressed: u64,
    /// Uncompressed bytes for each byte of input, beyond the first 64 MiB.
    pub ratio: u64,
    /// Entries of an archive.
    pub entries: u64,
    /// Bytes of an entry's name.
    pub path: usize,
    /// Components of an entry's name.
    pub depth: usize,
    /// Bytes of an entry's extended attributes, names and values together.
    pub xattrs: usize,
    /// Bytes of headers (PAX records, long names) before one entry.
    pub headers: u64,
    /// Bytes of one document (`manifest.json`, `index.json`) of an image archive.
    pub document: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input: 64 << 30,
            uncompressed: 128 << 30,
            ratio: 1100,
            entries: 4_000_000,
            path: 4095,
            depth: 1024,
            xattrs: 256 << 10,
            headers: 1 << 20,
            document: 8 << 20,
        }
    }
}
