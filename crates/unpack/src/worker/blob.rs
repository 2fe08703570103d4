//! A layer as an EROFS image.

use erofs::{Bounds, Metadata, Node, Summary, Writer};
use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read};

use super::guard::refusal_of;
use super::machine;
use super::sink::Sink;
use crate::error::Refusal;
use crate::limits::Limits;

/// Bytes of a file that are copied at once.
const PIECE: usize = 256 << 10;

pub(super) struct Blob {
    writer: Writer,
    piece: Vec<u8>,
}

impl Blob {
    pub(super) fn new(file: File, limits: &Limits) -> Self {
        let bounds = Bounds {
            names: limits.entries.saturating_mul(2),
            depth: u32::try_from(limits.depth).unwrap_or(u32::MAX),
        };
        Self {
            writer: Writer::new(file, bounds),
            piece: vec![0; PIECE],
        }
    }

    pub(super) fn finish(self) -> Result<Summary, Refusal> {
        self.writer.finish().map_err(refused)
    }
}

impl Sink for Blob {
    fn directory(&mut self, path: &[u8], metadata: Metadata) -> Result<(), Refusal> {
        self.writer.directory(path, metadata).map_err(refused)
    }

    fn file(
        &mut self,
        path: &[u8],
        metadata: Metadata,
        contents: &mut dyn Read,
    ) -> Result<(), Refusal> {
        let mut file = self.writer.file(path, metadata).map_err(refused)?;
        loop {
            match contents.read(&mut self.piece) {
                Ok(0) => return file.finish().map_err(refused),
                Ok(length) => file.append(&self.piece[..length]).map_err(refused)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refusal_of(&error)),
            }
        }
    }

    fn symlink(&mut self, path: &[u8], target: &[u8], metadata: &Metadata) -> Result<(), Refusal> {
        self.writer.symlink(path, target, metadata).map_err(refused)
    }

    fn node(&mut self, path: &[u8], node: Node, metadata: &Metadata) -> Result<(), Refusal> {
        self.writer.node(path, node, metadata).map_err(refused)
    }

    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Refusal> {
        self.writer.link(path, target).map_err(refused)
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<(), Refusal> {
        self.writer.whiteout(path).map_err(refused)
    }

    fn opaque(&mut self, path: &[u8]) -> Result<(), Refusal> {
        self.writer.opaque(path).map_err(refused)
    }
}

fn refused(error: erofs::Error) -> Refusal {
    let limit = |entry, what: &str, limit| Refusal::Limit {
        entry,
        what: what.to_owned(),
        limit,
    };
    match error {
        erofs::Error::TooDeep { path, limit: most } => {
            limit(path, "the depth of directories", u64::from(most))
        }
        erofs::Error::TooManyInodes { path, limit: most } => {
            limit(path, "the number of names", most)
        }
        erofs::Error::TooLarge => limit("stream".to_owned(), "the image's size", 16 << 40),
        erofs::Error::Io { attempt, .. } => {
            let source = error.source().and_then(|source| source.downcast_ref());
            machine(
                &format!("{attempt} the blob"),
                source.unwrap_or(&io::Error::other("unknown")),
            )
        }
        // These name the entry first themselves.
        other => {
            let text = other.to_string();
            let (entry, reason) = text.split_once(": ").unwrap_or(("entry", &text));
            Refusal::Entry {
                entry: entry.to_owned(),
                reason: reason.to_owned(),
            }
        }
    }
}
