//! A regular file's contents.

use crate::entry::Metadata;
use crate::error::Error;
use crate::format::{BLOCK, CHUNK, CHUNK_BITS, DataLayout, FileType, HOLE};
use crate::tree::Place;
use crate::writer::{Contents, Writer};

/// Takes a file's contents piece by piece.
#[derive(Debug)]
pub struct FileWriter<'a> {
    writer: &'a mut Writer,
    path: Vec<u8>,
    place: Place,
    metadata: Metadata,
    /// The first block.
    start: u64,
    size: u64,
    /// Chunks that were written.
    stored: u64,
    /// Where each chunk is, from the first hole on.
    chunks: Option<Vec<u32>>,
    /// Bytes of the last, incomplete chunk.
    partial: usize,
}

impl<'a> FileWriter<'a> {
    pub(crate) fn begin(
        writer: &'a mut Writer,
        path: Vec<u8>,
        place: Place,
        metadata: Metadata,
    ) -> Result<Self, Error> {
        let start = writer.output.begin()?;
        Ok(Self {
            writer,
            path,
            place,
            metadata,
            start,
            size: 0,
            stored: 0,
            chunks: None,
            partial: 0,
        })
    }

    /// Adds to the contents.
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(CHUNK - self.partial));
            self.partial += piece.len();
            self.writer.output.append(piece, self.partial)?;
            if self.partial == CHUNK {
                self.end_chunk()?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the inode and gives it its name.
    pub fn finish(mut self) -> Result<(), Error> {
        let contents = if self.chunks.is_some() {
            self.chunked()?
        } else {
            self.flat()?
        };
        self.writer.output.end()?;
        let leaf = self.writer.inode(&self.path, &self.metadata, contents)?;
        self.writer.tree.leaf(&self.path, self.place, leaf)
    }

    /// A chunk of zeros is not stored.
    fn end_chunk(&mut self) -> Result<(), Error> {
        let length = std::mem::take(&mut self.partial);
        let hole = is_zero(self.writer.output.last(length));
        if hole && self.chunks.is_none() {
            let before = (0..self.stored).map(|chunk| self.address(chunk));
            self.chunks = Some(before.collect::<Result<_, _>>()?);
        }
        let address = self.address(self.stored)?;
        if hole {
            self.writer.output.take_back(length);
        } else {
            self.stored += 1;
        }
        if let Some(chunks) = &mut self.chunks {
            chunks.push(if hole { HOLE } else { address });
        }
        Ok(())
    }

    fn address(&self, chunk: u64) -> Result<u32, Error> {
        u32::try_from(self.start + (chunk << CHUNK_BITS)).map_err(|_| Error::TooLarge)
    }

    fn chunked(&mut self) -> Result<Contents, Error> {
        if self.partial > 0 {
            self.end_chunk()?;
        }
        self.writer.chunked = true;
        let table = self.chunks.take().unwrap_or_default();
        Ok(Contents {
            kind: FileType::Regular,
            size: self.size,
            layout: DataLayout::Chunked,
            place: CHUNK_BITS,
            behind: table.iter().flat_map(|block| block.to_le_bytes()).collect(),
        })
    }

    /// The end goes behind the inode if both fit in a block.
    fn flat(&mut self) -> Result<Contents, Error> {
        let form = self.writer.form(&self.metadata, self.size);
        let xattrs = self
            .writer
            .shared
            .encode(&self.path, &self.metadata.xattrs)?;
        let tail = self.partial % BLOCK;
        let inline = tail > 0 && form.size() + xattrs.bytes.len() + tail <= BLOCK;
        let (layout, behind) = if inline {
            (DataLayout::Inline, self.writer.output.take_back(tail))
        } else {
            (DataLayout::Plain, Vec::new())
        };
        Ok(Contents {
            kind: FileType::Regular,
            size: self.size,
            layout,
            place: self.address(0)?,
            behind,
        })
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(256)
        .all(|part| part.iter().fold(0, |any, byte| any | byte) == 0)
}
