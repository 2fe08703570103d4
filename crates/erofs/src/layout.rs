//! Where things go: regions of inodes among the blocks of data.

use crate::error::Error;
use crate::format::{BLOCK64, SLOT};

/// Blocks with space left that are considered for an inode.
const OPEN: usize = 16;
/// Blocks of the first and of the largest region.
const SMALLEST: u64 = 4;
const LARGEST: u64 = 256;

/// The allocation alone, without bytes: it can be run ahead on a copy.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The first block that nothing has.
    end: u64,
    region: Region,
    open: Vec<Open>,
    /// Blocks of the next region.
    next: u64,
}

/// Consecutive blocks for inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u64,
    /// Its blocks.
    pub(crate) blocks: u64,
    /// Those of them that were begun.
    pub(crate) begun: u64,
}

/// A block of the region with space left.
#[derive(Clone, Copy, Debug)]
struct Open {
    block: u64,
    used: u64,
}

impl Layout {
    pub(crate) fn new() -> Self {
        Self {
            end: 1,
            region: Region {
                start: 1,
                blocks: 0,
                begun: 0,
            },
            open: Vec::with_capacity(OPEN),
            next: SMALLEST,
        }
    }

    /// From here on regions are small, as no data will come between.
    pub(crate) fn closing(&mut self) {
        self.next = SMALLEST;
    }

    pub(crate) fn region(&self) -> Region {
        self.region
    }

    /// The first block that nothing has.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The image's blocks: a last region is cut to what was begun of it.
    pub(crate) fn total(&self) -> u64 {
        if self.region.start + self.region.blocks == self.end {
            self.region.start + self.region.begun
        } else {
            self.end
        }
    }

    /// As [`Self::total`], with a block more if an inode may end where the image would.
    ///
    /// COMPAT: fsck.erofs 1.5 reads a header of attributes behind every inode.
    pub(crate) fn length(&self) -> u64 {
        let total = self.total();
        let last = self.open.iter().find(|open| open.block + 1 == total);
        let has_space = last.is_some_and(|open| open.used < BLOCK64);
        let data = self.region.start + self.region.begun < total;
        if has_space || data { total } else { total + 1 }
    }

    /// Takes consecutive blocks for data.
    pub(crate) fn data(&mut self, blocks: u64) -> Result<u64, Error> {
        let start = self.end;
        self.advance(blocks)?;
        Ok(start)
    }

    /// Takes space for an inode and what follows it: an offset in the image. It lies within one
    /// block if it can, otherwise it begins one.
    pub(crate) fn inode(&mut self, length: u64) -> Result<u64, Error> {
        let length = length.next_multiple_of(SLOT);
        if length <= BLOCK64
            && let Some(offset) = self.fitting(length)
        {
            return Ok(offset);
        }
        let blocks = length.div_ceil(BLOCK64).max(1);
        if self.region.begun + blocks > self.region.blocks {
            self.begin(blocks)?;
        }
        let block = self.region.start + self.region.begun;
        self.region.begun += blocks;
        self.remember(Open {
            block: block + blocks - 1,
            used: length - (blocks - 1) * BLOCK64,
        });
        Ok(block * BLOCK64)
    }

    /// The fullest block that has the space.
    fn fitting(&mut self, length: u64) -> Option<u64> {
        let fits = |open: &&mut Open| open.used + length <= BLOCK64;
        let best = self.open.iter_mut().filter(fits).max_by_key(|o| o.used)?;
        let offset = best.block * BLOCK64 + best.used;
        best.used += length;
        Some(offset)
    }

    /// Keeps a block among the open ones, at the cost of the fullest.
    fn remember(&mut self, open: Open) {
        if self.open.len() < OPEN {
            self.open.push(open);
        } else if let Some(fullest) = self.open.iter_mut().max_by_key(|o| o.used)
            && fullest.used > open.used
        {
            *fullest = open;
        }
    }

    fn begin(&mut self, least: u64) -> Result<(), Error> {
        let blocks = least.max(self.next);
        self.next = (self.next * 2).min(LARGEST);
        self.open.clear();
        // What the last region did not begin is given back if nothing lies behind it.
        self.end = self.total();
        self.region = Region {
            start: self.end,
            blocks,
            begun: 0,
        };
        self.advance(blocks)
    }

    fn advance(&mut self, blocks: u64) -> Result<(), Error> {
        self.end += blocks;
        // One less than the number that means a hole.
        if self.end >= u64::from(u32::MAX) {
            return Err(Error::TooLarge);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_fill_blocks_and_never_cross_one_that_could_hold_them() {
        let mut layout = Layout::new();
        for length in [64, 3000, 1096, 2000, 2096, 64, 32, 4096, 33] {
            let offset = layout.inode(length).unwrap_or(u64::MAX);
            let end = (offset + length - 1) / BLOCK64;
            assert_eq!(offset / BLOCK64, end, "{length}");
            assert_eq!(offset % SLOT, 0);
        }
        assert_eq!(layout.region().begun, 4);
    }

    #[test]
    fn an_image_does_not_end_with_its_last_inode() {
        let mut layout = Layout::new();
        layout.inode(4032).unwrap();
        assert_eq!((layout.total(), layout.length()), (2, 2));
        layout.inode(64).unwrap();
        assert_eq!((layout.total(), layout.length()), (2, 3));
    }

    #[test]
    fn what_is_larger_than_a_block_begins_one() {
        let mut layout = Layout::new();
        assert_eq!(layout.inode(64).ok(), Some(BLOCK64));
        assert_eq!(layout.inode(10_000).ok(), Some(2 * BLOCK64));
        assert_eq!(layout.inode(2_000_000).map(|o| o % BLOCK64).ok(), Some(0));
        assert!(layout.end() > 490);
    }
}
