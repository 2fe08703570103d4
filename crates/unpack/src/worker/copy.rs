//! A file's contents, with holes where whole blocks of them are zero.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use super::apply::shown;
use super::guard::refusal_of;
use super::machine;
use crate::error::Refusal;

/// Bytes of a file that are copied at once.
const PIECE: usize = 256 << 10;
/// What a file system keeps or leaves out as one.
const BLOCK: usize = 4096;

/// Copies files, one after another.
#[derive(Debug)]
pub(super) struct Copier {
    piece: Vec<u8>,
}

impl Copier {
    pub(super) fn new() -> Self {
        Self {
            piece: vec![0; PIECE],
        }
    }

    /// Writes the contents of the member `name` to its empty file, which is given back with
    /// their length.
    pub(super) fn copy(
        &mut self,
        file: OwnedFd,
        name: &[u8],
        contents: &mut dyn Read,
    ) -> Result<(OwnedFd, u64), Refusal> {
        let file = File::from(file);
        let refused = |error: io::Error| machine(&format!("write {}", shown(name)), &error);
        let mut size = 0;
        let mut hole = false;
        loop {
            let mut piece = self.next(contents)?;
            if piece.is_empty() {
                break;
            }
            while !piece.is_empty() {
                let (run, rest) = piece.split_at(run(size, piece));
                hole = is_hole(size, run);
                if !hole {
                    file.write_all_at(run, size).map_err(refused)?;
                }
                size += run.len() as u64;
                piece = rest;
            }
        }
        if hole {
            file.set_len(size).map_err(refused)?;
        }
        Ok((file.into(), size))
    }

    /// A whole piece, so that blocks are not cut where the stream happens to be, or the rest.
    fn next(&mut self, contents: &mut dyn Read) -> Result<&[u8], Refusal> {
        let mut length = 0;
        while let Some(room) = self.piece.get_mut(length..).filter(|room| !room.is_empty()) {
            match contents.read(room) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refusal_of(&error)),
            }
        }
        Ok(self.piece.get(..length).unwrap_or_default())
    }
}

/// How many bytes of `piece`, which begins at `at`, are alike: to leave out, or to write.
fn run(at: u64, piece: &[u8]) -> usize {
    let first = block(at, piece);
    let hole = is_hole(at, &piece[..first]);
    let mut length = first;
    while let Some(rest) = piece.get(length..).filter(|rest| !rest.is_empty()) {
        let at = at + length as u64;
        let next = block(at, rest);
        if is_hole(at, &rest[..next]) != hole {
            break;
        }
        length += next;
    }
    length
}

/// How many bytes of `piece` are in the block that `at` is in.
fn block(at: u64, piece: &[u8]) -> usize {
    let within = usize::try_from(at % BLOCK as u64).unwrap_or_default();
    piece.len().min(BLOCK - within)
}

/// Whether `bytes` are whole blocks of zeros.
fn is_hole(at: u64, bytes: &[u8]) -> bool {
    at.is_multiple_of(BLOCK as u64)
        && bytes.len().is_multiple_of(BLOCK)
        && bytes.chunks(BLOCK).all(|block| block == [0; BLOCK])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(at: u64, mut piece: &[u8]) -> Vec<(usize, bool)> {
        let mut at = at;
        let mut runs = Vec::new();
        while !piece.is_empty() {
            let (first, rest) = piece.split_at(run(at, piece));
            runs.push((first.len(), is_hole(at, first)));
            at += first.len() as u64;
            piece = rest;
        }
        runs
    }

    #[test]
    fn only_whole_blocks_of_zeros_are_left_out() {
        let mut piece = vec![0; 4 * BLOCK + 10];
        assert_eq!(runs(0, &piece), [(4 * BLOCK, true), (10, false)]);
        assert_eq!(
            runs(10, &piece),
            [(BLOCK - 10, false), (3 * BLOCK, true), (20, false)]
        );
        piece[2 * BLOCK] = 1;
        let data = [
            (2 * BLOCK, true),
            (BLOCK, false),
            (BLOCK, true),
            (10, false),
        ];
        assert_eq!(runs(0, &piece), data);
        assert_eq!(runs(0, &piece[..100]), [(100, false)]);
    }
}
