//! The image's file: data appended in large writes, regions of inodes between.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::Error;
use crate::format::{BLOCK, BLOCK64};
use crate::layout::{Layout, Region};

/// Bytes of data gathered before they are written.
const GATHER: usize = 1 << 20;

/// The file with what is not written yet.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    pub(crate) layout: Layout,
    /// Data that goes to `at`.
    data: Vec<u8>,
    at: u64,
    /// The begun blocks of the current region.
    inodes: Vec<u8>,
    region: Region,
}

impl Output {
    pub(crate) fn new(file: File) -> Self {
        let layout = Layout::new();
        Self {
            file,
            at: layout.end() * BLOCK64,
            region: layout.region(),
            layout,
            data: Vec::with_capacity(GATHER + (GATHER >> 2)),
            inodes: Vec::new(),
        }
    }

    /// Begins a run of data, and returns its first block.
    pub(crate) fn begin(&mut self) -> Result<u64, Error> {
        let start = self.layout.end();
        if start * BLOCK64 != self.at + self.data.len() as u64 {
            self.flush_data()?;
            self.at = start * BLOCK64;
        }
        Ok(start)
    }

    /// Appends to the run. What was appended may be written, but for the last `keep` bytes.
    pub(crate) fn append(&mut self, bytes: &[u8], keep: usize) -> Result<(), Error> {
        self.data.extend_from_slice(bytes);
        if self.data.len() >= GATHER + keep {
            let (out, rest) = self.data.split_at(self.data.len() - keep);
            write_at(&self.file, out, self.at)?;
            self.at += out.len() as u64;
            let kept = rest.len();
            let from = self.data.len() - kept;
            self.data.copy_within(from.., 0);
            self.data.truncate(kept);
        }
        Ok(())
    }

    /// The last `length` bytes appended, at most those that were kept.
    pub(crate) fn last(&self, length: usize) -> &[u8] {
        let from = self.data.len().saturating_sub(length);
        self.data.get(from..).unwrap_or_default()
    }

    /// Takes the last `length` bytes back.
    pub(crate) fn take_back(&mut self, length: usize) -> Vec<u8> {
        self.data.split_off(self.data.len().saturating_sub(length))
    }

    /// Ends the run: fills its last block with zeros and takes its blocks.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        let whole = self.data.len().next_multiple_of(BLOCK);
        self.data.resize(whole, 0);
        let end = (self.at + whole as u64) / BLOCK64;
        let blocks = end - self.layout.end();
        self.layout.data(blocks).map(drop)
    }

    /// Places an inode with what follows it, and returns its offset.
    pub(crate) fn place(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let offset = self.layout.inode(bytes.len() as u64)?;
        self.put(offset, bytes)?;
        Ok(offset)
    }

    /// Writes what [`Layout::inode`] gave `offset` for.
    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let region = self.layout.region();
        if region.start != self.region.start || region.blocks != self.region.blocks {
            self.flush_inodes()?;
        }
        self.region = region;
        let at = usize::try_from(offset - region.start * BLOCK64).map_err(|_| Error::TooLarge)?;
        let end = (at + bytes.len()).next_multiple_of(BLOCK);
        if self.inodes.len() < end {
            self.inodes.resize(end, 0);
        }
        self.inodes[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// Writes over what was flushed.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        write_at(&self.file, bytes, offset)
    }

    /// Writes all that was gathered, sets the length and returns it.
    pub(crate) fn flush(&mut self) -> Result<u64, Error> {
        self.flush_data()?;
        self.flush_inodes()?;
        let length = self.layout.length() * BLOCK64;
        self.file.set_len(length).map_err(|source| Error::Io {
            attempt: "set the length of",
            source,
        })?;
        Ok(length)
    }

    fn flush_data(&mut self) -> Result<(), Error> {
        write_at(&self.file, &self.data, self.at)?;
        self.at += self.data.len() as u64;
        self.data.clear();
        Ok(())
    }

    fn flush_inodes(&mut self) -> Result<(), Error> {
        write_at(&self.file, &self.inodes, self.region.start * BLOCK64)?;
        self.inodes.clear();
        Ok(())
    }
}

fn write_at(file: &File, bytes: &[u8], offset: u64) -> Result<(), Error> {
    let written = match bytes {
        [] => Ok(()),
        _ => file.write_all_at(bytes, offset),
    };
    written.map_err(|source: io::Error| Error::Io {
        attempt: "write",
        source,
    })
}
