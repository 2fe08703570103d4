//! The stream: read and hashed in one thread, decompressed in a second, hashed again and
//! parsed in the caller's.

use content::Hasher;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use types::{Algorithm, Digest};

use super::guard::{carry, refusal_of};
use super::machine;
use crate::error::Refusal;
use crate::limits::Limits;
use crate::outcome::Compression;

/// Bytes of a buffer, and buffers between two threads.
const BUFFER: usize = 256 << 10;
const BUFFERS: usize = 4;
/// Bytes that come out before the ratio counts.
const RATIO_FROM: u64 = 64 << 20;
/// The largest window of a Zstandard frame, as its binary logarithm: 128 MiB.
const WINDOW: u32 = 27;

/// The uncompressed bytes, hashed as they are read.
pub(super) struct Stream {
    bytes: Buffers,
    /// Of what is not hashed already as it came.
    hash: Option<Hasher>,
    size: u64,
    compression: Compression,
    input: JoinHandle<Option<(Digest, u64)>>,
}

/// What was read.
pub(super) struct Finished {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) compression: Compression,
    pub(super) diff_id: Digest,
    pub(super) diff_size: u64,
}

impl Stream {
    /// Begins; the uncompressed bytes are named by `algorithm`.
    pub(super) fn open(file: File, limits: &Limits, algorithm: Algorithm) -> Result<Self, Refusal> {
        let consumed = Arc::new(AtomicU64::new(0));
        let (filler, mut bytes) = channel();
        let (count, limit) = (Arc::clone(&consumed), limits.input);
        let input = spawn("input", move || read_input(file, filler, limit, &count))?;
        let start = bytes.fill_buf().map_err(|error| refusal_of(&error))?;
        let compression = sniff(start)?;
        if compression != Compression::None {
            let (filler, inflated) = channel();
            let limits = *limits;
            // The thread ends with the stream or when nobody reads on: it is not joined.
            drop(spawn("inflate", move || {
                inflate(bytes, compression, filler, &limits, &consumed);
            })?);
            bytes = inflated;
        }
        Ok(Self {
            bytes,
            hash: (compression != Compression::None || algorithm != Algorithm::Sha256)
                .then(|| Hasher::new(algorithm)),
            size: 0,
            compression,
            input,
        })
    }

    /// How the stream is compressed.
    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Reads what is left, so that the digests are of the whole stream.
    pub(super) fn finish(mut self) -> Result<Finished, Refusal> {
        loop {
            let left = self.bytes.fill_buf().map_err(|error| refusal_of(&error))?;
            let length = left.len();
            if length == 0 {
                break;
            }
            self.size += length as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(left);
            }
            self.bytes.consume(length);
        }
        let input = self.input.join().ok().flatten();
        let (digest, size) = input.ok_or_else(|| {
            Refusal::Damaged("bytes follow the end of the compressed stream".to_owned())
        })?;
        Ok(Finished {
            diff_id: self.hash.map_or_else(|| digest.clone(), Hasher::finish),
            digest,
            size,
            compression: self.compression,
            diff_size: self.size,
        })
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(out)?;
        self.size += length as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&out[..length]);
        }
        Ok(length)
    }
}

fn sniff(start: &[u8]) -> Result<Compression, Refusal> {
    let foreign = |name: &str| {
        let words = format!("compressed with {name}; only gzip, zstd and no compression are read");
        Err(Refusal::Damaged(words))
    };
    match start {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => foreign("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => foreign("bzip2"),
        _ => Ok(Compression::None),
    }
}

fn sha256(hash: Sha256) -> Digest {
    digest_of(&hash.finalize())
}

/// A SHA-256 result as a digest.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Algorithm::Sha256, bytes).unwrap_or_else(|| unreachable!("32 bytes"))
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Refusal> {
    let started = Builder::new()
        .name(name.to_owned())
        .stack_size(256 << 10)
        .spawn(body);
    started.map_err(|error| machine("start a thread", &error))
}

/// Returns the digest and length; `None` if nobody read to the end.
fn read_input(
    mut file: File,
    filler: Filler,
    limit: u64,
    consumed: &AtomicU64,
) -> Option<(Digest, u64)> {
    let mut hash = Sha256::new();
    let mut size = 0;
    loop {
        let mut buffer = filler.empty()?;
        if let Err(error) = (&mut file).take(BUFFER as u64).read_to_end(&mut buffer) {
            filler.fail(carry(machine("read the stream", &error)));
            return None;
        }
        if buffer.is_empty() {
            return Some((sha256(hash), size));
        }
        size += buffer.len() as u64;
        if size > limit {
            filler.fail(carry(beyond("its size", limit)));
            return None;
        }
        consumed.store(size, Ordering::Relaxed);
        hash.update(&buffer);
        filler.full(buffer)?;
    }
}

fn inflate(
    bytes: Buffers,
    compression: Compression,
    filler: Filler,
    limits: &Limits,
    consumed: &AtomicU64,
) {
    let decoder: io::Result<Box<dyn Read>> = match compression {
        Compression::None => Ok(Box::new(bytes)),
        Compression::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(bytes))),
        Compression::Zstd => zstd_decoder(bytes),
    };
    let copied = decoder.and_then(|decoder| copy(decoder, &filler, limits, consumed));
    if let Err(error) = copied {
        filler.fail(error);
    }
}

fn zstd_decoder(bytes: Buffers) -> io::Result<Box<dyn Read>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(WINDOW)?;
    Ok(Box::new(decoder))
}

fn copy(
    mut decoder: Box<dyn Read>,
    filler: &Filler,
    limits: &Limits,
    consumed: &AtomicU64,
) -> io::Result<()> {
    let mut size: u64 = 0;
    loop {
        let Some(mut buffer) = filler.empty() else {
            return Ok(());
        };
        (&mut decoder)
            .take(BUFFER as u64)
            .read_to_end(&mut buffer)?;
        if buffer.is_empty() {
            return Ok(());
        }
        size += buffer.len() as u64;
        if size > limits.uncompressed {
            return Err(carry(beyond("its uncompressed size", limits.uncompressed)));
        }
        let fair = consumed
            .load(Ordering::Relaxed)
            .saturating_mul(limits.ratio);
        if size > RATIO_FROM.saturating_add(fair) {
            return Err(carry(beyond("its compression ratio", limits.ratio)));
        }
        if filler.full(buffer).is_none() {
            return Ok(());
        }
    }
}

fn beyond(what: &str, limit: u64) -> Refusal {
    Refusal::Limit {
        entry: "stream".to_owned(),
        what: what.to_owned(),
        limit,
    }
}

/// Two ends between threads: buffers go over full and come back empty.
fn channel() -> (Filler, Buffers) {
    let (full, receive_full) = sync_channel(BUFFERS);
    let (send_empty, empty) = sync_channel(BUFFERS * 2);
    for _ in 0..BUFFERS {
        drop(send_empty.try_send(Vec::with_capacity(BUFFER)));
    }
    let buffers = Buffers {
        full: receive_full,
        empty: send_empty,
        current: Vec::new(),
        at: 0,
    };
    (Filler { full, empty }, buffers)
}

struct Filler {
    full: SyncSender<io::Result<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
}

impl Filler {
    /// `None` if nobody reads any more; so are the others.
    fn empty(&self) -> Option<Vec<u8>> {
        self.empty.recv().ok()
    }

    fn full(&self, buffer: Vec<u8>) -> Option<()> {
        self.full.send(Ok(buffer)).ok()
    }

    fn fail(&self, error: io::Error) {
        drop(self.full.send(Err(error)));
    }
}

struct Buffers {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl BufRead for Buffers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.current.len()
            && let Ok(next) = self.full.recv()
        {
            let mut used = std::mem::replace(&mut self.current, next?);
            self.at = 0;
            used.clear();
            drop(self.empty.try_send(used));
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at = (self.at + length).min(self.current.len());
    }
}

impl Read for Buffers {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut left = self.fill_buf()?;
        let length = left.read(out)?;
        self.consume(length);
        Ok(length)
    }
}
