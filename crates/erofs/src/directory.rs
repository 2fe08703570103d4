//! Directories on disk: sorted entries in blocks.

use crate::format::BLOCK;

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dirent<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) nid: u64,
    pub(crate) kind: u8,
}

/// Bytes of an entry without its name.
const DIRENT: usize = 12;

/// How many bytes the sorted entries take: whole blocks, and those of the last.
pub(crate) fn measure<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut whole = 0;
    let mut used = 0;
    for name in names {
        let length = DIRENT + name.len();
        if used + length > BLOCK {
            whole += BLOCK as u64;
            used = 0;
        }
        used += length;
    }
    whole + used as u64
}

/// The sorted entries in the form on disk; its length is what [`measure`] says.
pub(crate) fn encode(entries: &[Dirent<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(fitting(rest));
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        encode_block(block, &mut out);
        rest = after;
    }
    out
}

/// How many of the entries go into one block; at least one, as a name has 255 bytes at most.
fn fitting(entries: &[Dirent<'_>]) -> usize {
    let mut used = 0;
    let fits = |entry: &&Dirent<'_>| {
        used += DIRENT + entry.name.len();
        used <= BLOCK
    };
    entries.iter().take_while(fits).count().max(1)
}

fn encode_block(entries: &[Dirent<'_>], out: &mut Vec<u8>) {
    let mut name_offset = entries.len() * DIRENT;
    for entry in entries {
        out.extend_from_slice(&entry.nid.to_le_bytes());
        let offset = u16::try_from(name_offset).unwrap_or(u16::MAX);
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&[entry.kind, 0]);
        name_offset += entry.name.len();
    }
    for entry in entries {
        out.extend_from_slice(entry.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_as_long_as_measured() {
        let names: Vec<Vec<u8>> = (0_usize..2000)
            .map(|n| format!("{n:0width$}", width = 1 + n % 200).into_bytes())
            .collect();
        for count in [0, 1, 2, 30, 400, 2000] {
            let entries: Vec<Dirent<'_>> = names[..count]
                .iter()
                .map(|name| Dirent {
                    name,
                    nid: 36,
                    kind: 1,
                })
                .collect();
            let measured = measure(names[..count].iter().map(Vec::as_slice));
            assert_eq!(encode(&entries).len() as u64, measured);
        }
    }
}
