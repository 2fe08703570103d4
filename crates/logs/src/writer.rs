//! Lines out of bytes, records out of lines, files out of records.

use crate::escape::{characters, escape};
use crate::rotate::rotate;
use crate::{Error, JsonFile, Stream};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::mem;
use std::os::unix::fs::OpenOptionsExt as _;
use types::Timestamp;

/// The longest piece of a line in one record, as Docker cuts them.
const PIECE: usize = 16 << 10;
/// Records are written together up to about this size.
const BATCH: usize = 64 << 10;

/// The one writer of a container's log.
#[derive(Debug)]
pub struct Writer {
    config: JsonFile,
    file: File,
    size: u64,
    /// `,"attrs":{...}` or nothing.
    attributes: Vec<u8>,
    /// A line of each stream that has not ended yet, shorter than a piece.
    begun: [Vec<u8>; 2],
    /// Records that are not written yet.
    batch: Vec<u8>,
}

impl Writer {
    /// Opens the log to append to it.
    ///
    /// # Errors
    /// If the file cannot be opened or made.
    pub fn open(config: JsonFile) -> Result<Self, Error> {
        let (file, size) = open(&config, false).map_err(Error::io("open", &config.path))?;
        let mut attributes = Vec::new();
        if !config.attributes.is_empty() {
            attributes.extend_from_slice(b"\"attrs\":");
            serde_json::to_writer(&mut attributes, &config.attributes)
                .map_err(Error::io("encode the attributes of", &config.path))?;
            attributes.push(b',');
        }
        Ok(Self {
            config,
            file,
            size,
            attributes,
            begun: [Vec::new(), Vec::new()],
            batch: Vec::new(),
        })
    }

    /// Adds what a process wrote to `stream` and was read at `now`: each whole line is a record
    /// in the file after this, the rest waits for its end.
    ///
    /// # Errors
    /// If the file cannot be written: records of this call are lost then, those of later calls
    /// are tried again. No record is ever cut.
    pub fn write(&mut self, stream: Stream, mut bytes: &[u8], now: Timestamp) -> Result<(), Error> {
        let tail = self.tail(stream, now);
        while !bytes.is_empty() {
            let begun = self.begun[index(stream)].len();
            let room = PIECE - begun;
            let within = bytes.get(..room).unwrap_or(bytes);
            let length = match memchr::memchr(b'\n', within) {
                Some(end) => end + 1,
                None if within.len() < room => {
                    self.begun[index(stream)].extend_from_slice(within);
                    break;
                }
                None => piece(begun, within),
            };
            let (line, rest) = bytes.split_at(length);
            self.record(stream, line, &tail)?;
            bytes = rest;
        }
        self.flush()
    }

    /// Ends `stream`: a line that was begun is a record without end of line.
    ///
    /// # Errors
    /// As of [`Self::write`].
    pub fn finish(&mut self, stream: Stream, now: Timestamp) -> Result<(), Error> {
        if !self.begun[index(stream)].is_empty() {
            let tail = self.tail(stream, now);
            self.record(stream, &[], &tail)?;
        }
        self.release();
        self.flush()
    }

    /// The bytes of lines that have not ended: in no record yet.
    pub fn begun(&self, stream: Stream) -> &[u8] {
        &self.begun[index(stream)]
    }

    /// Gives back memory that only a burst of output needs.
    pub fn release(&mut self) {
        if self.batch.is_empty() {
            self.batch = Vec::new();
        }
        for begun in &mut self.begun {
            begun.shrink_to_fit();
        }
    }

    /// What ends each record: `","stream":"stdout","time":"..."}` and a line feed.
    fn tail(&self, stream: Stream, now: Timestamp) -> Vec<u8> {
        let mut tail = Vec::with_capacity(80 + self.attributes.len());
        tail.extend_from_slice(b"\",\"stream\":\"");
        tail.extend_from_slice(stream.name().as_bytes());
        tail.extend_from_slice(b"\",");
        tail.extend_from_slice(&self.attributes);
        tail.extend_from_slice(b"\"time\":\"");
        tail.extend_from_slice(now.to_string().as_bytes());
        tail.extend_from_slice(b"\"}\n");
        tail
    }

    fn record(&mut self, stream: Stream, line: &[u8], tail: &[u8]) -> Result<(), Error> {
        if self.is_full() {
            self.flush()?;
            self.rotate()?;
        }
        let mut begun = mem::take(&mut self.begun[index(stream)]);
        if begun.is_empty() {
            self.document(line, tail);
        } else {
            // A character may lie across the two.
            begun.extend_from_slice(line);
            self.document(&begun, tail);
            begun.clear();
            self.begun[index(stream)] = begun;
        }
        if self.batch.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn document(&mut self, line: &[u8], tail: &[u8]) {
        self.batch.push(b'{');
        if self.config.exact && std::str::from_utf8(line).is_err() {
            self.batch.extend_from_slice(b"\"bytes\":\"");
            escape(characters(line).as_bytes(), &mut self.batch);
            self.batch.extend_from_slice(b"\",");
        }
        self.batch.extend_from_slice(b"\"log\":\"");
        escape(line, &mut self.batch);
        self.batch.extend_from_slice(tail);
    }

    /// Whether the current file has reached its bound, with what waits to be written.
    fn is_full(&self) -> bool {
        let waiting = self.batch.len() as u64;
        let size = self.size + waiting;
        self.config.max_size.is_some_and(|max| size >= max.get())
    }

    fn rotate(&mut self) -> Result<(), Error> {
        rotate(&self.config.path, self.config.files())?;
        let opened = open(&self.config, true);
        (self.file, self.size) = opened.map_err(Error::io("open", &self.config.path))?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.batch);
        let length = self.batch.len() as u64;
        self.batch.clear();
        match written {
            Ok(()) => {
                self.size += length;
                Ok(())
            }
            Err(error) => {
                // A disk that is full took half a record, perhaps: readers want whole ones.
                let cut = self.file.set_len(self.size);
                cut.map_err(Error::io("cut", &self.config.path))?;
                Err(Error::io("write", &self.config.path)(error))
            }
        }
    }
}

/// How much of `within`, which fills a piece that has `begun`, goes into it: not half a
/// character.
///
/// COMPAT: Docker cuts at the byte and damages the character; nothing is lost here.
fn piece(begun: usize, within: &[u8]) -> usize {
    let length = within.len();
    for back in 1..=3.min(length) {
        match within[length - back] {
            0x80..0xc0 => {}
            first @ 0xc0.. => {
                let wanted = match first {
                    0xf0.. => 4,
                    0xe0.. => 3,
                    _ => 2,
                };
                let rest = length - back;
                return if wanted > back && begun + rest > 0 {
                    rest
                } else {
                    length
                };
            }
            _ => break,
        }
    }
    length
}

const fn index(stream: Stream) -> usize {
    stream as usize
}

fn open(config: &JsonFile, empty: bool) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o640);
    let file = file.open(&config.path)?;
    if empty {
        file.set_len(0)?;
    }
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests;
