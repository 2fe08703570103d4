//! One file of a log.

use crate::Error;
use crate::compress::{self, Identity};
use crate::rotate::{compressed, older};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use types::Timestamp;

/// How much is read at once.
const BLOCK: usize = 64 << 10;
/// A record longer than this is no record: the longest has 16 KiB, six times escaped.
const LONGEST: usize = 4 << 20;

/// A file of a log, and how far it was read.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    identity: Identity,
    modified: u64,
    /// Where the buffer begins in the file.
    offset: u64,
    buffer: Vec<u8>,
    /// How much of the buffer was given out.
    given: usize,
}

/// The files of a log, the oldest first.
pub(crate) fn open_all(path: &Path, files: u32) -> Result<VecDeque<Part>, Error> {
    let mut parts: VecDeque<Part> = VecDeque::new();
    // From the newest: one that moves up meanwhile is met twice, never missed.
    for number in 0..files.max(1) {
        let path = match number {
            0 => path.to_owned(),
            _ => older(path, number),
        };
        let opened = match Part::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => {
                Part::open_compressed(&compressed(&path))
            }
            opened => opened,
        };
        match opened {
            Ok(part) if parts.iter().any(|known| known.is(&part)) => {}
            Ok(part) => parts.push_front(part),
            Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("open", &path)(error)),
        }
    }
    Ok(parts)
}

/// Places the files so that `tail` records are left.
pub(crate) fn seek_tail(parts: &mut VecDeque<Part>, tail: u64) -> Result<(), Error> {
    let mut wanted = tail;
    let mut first = parts.len();
    for (index, part) in parts.iter_mut().enumerate().rev() {
        first = index;
        wanted = part.seek_tail(wanted)?;
        if wanted == 0 {
            break;
        }
    }
    parts.drain(..first.min(parts.len()));
    Ok(())
}

impl Part {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let identity = Identity::of(&metadata);
        Ok(Self::of(path, file, &metadata, identity))
    }

    fn open_compressed(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let (file, identity) = compress::open(path)?;
        // Compressed after its last record, so not before it was written last.
        Ok(Self::of(path, file, &metadata, identity))
    }

    fn of(path: &Path, file: File, metadata: &std::fs::Metadata, identity: Identity) -> Self {
        let modified = Timestamp::from_nanos(
            metadata.mtime().max(0).cast_unsigned() * 1_000_000_000
                + metadata.mtime_nsec().max(0).cast_unsigned(),
        );
        Self {
            path: path.to_owned(),
            file,
            identity,
            modified: modified.nanos(),
            offset: 0,
            buffer: Vec::new(),
            given: 0,
        }
    }

    /// Whether both are the same file.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// Whether it was written last before `time`.
    pub(crate) fn is_before(&self, time: Timestamp) -> bool {
        self.modified < time.nanos()
    }

    fn size(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(Error::io("measure", &self.path))?.size())
    }

    /// Whether there is more than was read of it.
    pub(crate) fn has_grown(&self) -> Result<bool, Error> {
        Ok(self.size()? > self.end())
    }

    /// Whether it was emptied after it was read; then it is read from its beginning.
    pub(crate) fn was_emptied(&mut self) -> Result<bool, Error> {
        let emptied = self.size()? < self.end();
        if emptied {
            (self.offset, self.given) = (0, 0);
            self.buffer.clear();
        }
        Ok(emptied)
    }

    /// Where in the file the buffer ends.
    fn end(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// The next whole line, without its end; `None` if there is none yet.
    pub(crate) fn line(&mut self) -> Result<Option<&[u8]>, Error> {
        let mut searched = self.given;
        loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', rest) {
                let (from, to) = (self.given, searched + length);
                self.given = to + 1;
                return Ok(self.buffer.get(from..to));
            }
            searched = self.buffer.len() - self.given;
            if searched > LONGEST {
                searched = 0;
                self.given = self.buffer.len();
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads on; false at the end of the file.
    fn fill(&mut self) -> Result<bool, Error> {
        self.buffer.drain(..self.given);
        self.offset += self.given as u64;
        self.given = 0;
        let (held, end) = (self.buffer.len(), self.end());
        self.buffer.resize(held + BLOCK, 0);
        let free = self.buffer.get_mut(held..).unwrap_or_default();
        let read = self.file.read_at(free, end);
        self.buffer
            .truncate(held + read.as_ref().map_or(0, |read| *read));
        Ok(read.map_err(Error::io("read", &self.path))? > 0)
    }

    /// Places it before its last `wanted` lines; gives how many of them it does not have.
    fn seek_tail(&mut self, wanted: u64) -> Result<u64, Error> {
        let mut end = self.size()?;
        if wanted == 0 {
            self.offset = end;
            return Ok(0);
        }
        let mut block = vec![0; BLOCK];
        // The end of the last line is no beginning of another.
        let mut found = 0;
        while end > 0 {
            let begin = end.saturating_sub(BLOCK as u64);
            let length = usize::try_from(end - begin).unwrap_or(BLOCK);
            let bytes = block.get_mut(..length).unwrap_or_default();
            let read = self.file.read_exact_at(bytes, begin);
            read.map_err(Error::io("read", &self.path))?;
            for place in memchr::memrchr_iter(b'\n', bytes) {
                found += 1;
                if found > wanted {
                    self.offset = begin + place as u64 + 1;
                    return Ok(0);
                }
            }
            end = begin;
        }
        self.offset = 0;
        Ok(wanted - found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write as _;

    #[test]
    fn a_new_file_with_the_number_of_one_that_was_removed_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "new\n").unwrap();
        let own = Identity::of(&std::fs::metadata(&path).unwrap()).to_string();
        let (number, made) = own.rsplit_once(':').unwrap();
        let made: u64 = made.parse().unwrap();
        for (comment, expected) in [
            (format!("{number}:{}", made - 1), 2),
            // As earlier versions wrote it.
            (number.to_owned(), 2),
            // It moved up while it was looked for.
            (own.clone(), 1),
        ] {
            let old = File::create(compressed(&older(&path, 1))).unwrap();
            let mut old = GzBuilder::new()
                .comment(comment.clone())
                .write(old, Compression::fast());
            old.write_all(b"old\n").unwrap();
            old.finish().unwrap();
            assert_eq!(open_all(&path, 2).unwrap().len(), expected, "{comment}");
        }
    }
}
