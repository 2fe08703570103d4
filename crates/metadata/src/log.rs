//! The log ahead of the tables: batches in the order of their commits, until a checkpoint has
//! brought them into the tables.
//!
//! It is a file of fixed size, written from its start after each checkpoint, so that a commit
//! overwrites blocks which the file system has already given: one write, and one sync without
//! any metadata. A record is the length of its changes and a checksum (four bytes each), its
//! number (eight, all little end first) and the changes. Numbers go up by one; the first record
//! that does not continue them ends the log.

use crate::Error;
use crate::change::Change;
use crate::lock::lock;
use redb::StorageBackend;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The file's size: some hundred starts and ends of containers between two checkpoints.
const CAPACITY: u64 = 512 << 10;
const HEADER: usize = 16;
const NAME: &str = "log";

/// Where the next record goes, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) offset: u64,
    pub(crate) number: u64,
}

pub(crate) struct Log {
    /// Its file, for whoever reads an error.
    path: PathBuf,
    file: Box<dyn StorageBackend>,
    /// How many bytes it has: none if there was no space for it when it was made.
    capacity: u64,
    /// The number of the newest record that is in the file.
    written: AtomicU64,
    /// The number of the newest record that a loss of power does not take.
    synced: Mutex<u64>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// The log in `file`, which is given its size if it is new.
    pub(crate) fn open(path: &Path, file: Box<dyn StorageBackend>) -> Result<Self, Error> {
        let found = file.len().map_err(failed("read the length of", path))?;
        let capacity = match found {
            0 => make(&*file).map_err(failed("make", path))?,
            found => found,
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            capacity,
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        })
    }

    /// The changes behind the record `after`, and where the log ends. What is found counts as
    /// not synced.
    pub(crate) fn replay(&self, after: u64) -> Result<(Vec<Change>, End), Error> {
        let size = usize::try_from(self.capacity).unwrap_or(0);
        let mut bytes = vec![0; size];
        let read = self.file.read(0, &mut bytes);
        read.map_err(failed("read", &self.path))?;
        let mut changes = Vec::new();
        let mut number = after;
        let mut rest = bytes.as_slice();
        while let Some((found, payload, behind)) = record(rest) {
            if found != number.wrapping_add(1) {
                break;
            }
            changes.extend(Change::decode_all(payload).ok_or_else(|| Error::Damaged {
                table: NAME,
                key: found.to_string(),
                source: io::ErrorKind::InvalidData.into(),
            })?);
            number = found;
            rest = behind;
        }
        self.written.store(number, Ordering::Release);
        let offset = self.capacity.saturating_sub(rest.len() as u64);
        Ok((
            changes,
            End {
                offset,
                number: number.wrapping_add(1),
            },
        ))
    }

    /// Whether a record fits behind `end`.
    pub(crate) fn has_room(&self, end: End, record: &[u8]) -> bool {
        end.offset.saturating_add(record.len() as u64) <= self.capacity
    }

    /// Whether more than half of it is in use.
    pub(crate) fn is_half_full(&self, end: End) -> bool {
        end.offset > self.capacity / 2
    }

    /// Writes a record, which then outlives this process; gives the log's new end.
    pub(crate) fn append(&self, end: End, record: &[u8]) -> Result<End, Error> {
        self.file
            .write(end.offset, record)
            .map_err(failed("write to", &self.path))?;
        self.written.store(end.number, Ordering::Release);
        Ok(End {
            offset: end.offset.saturating_add(record.len() as u64),
            number: end.number.wrapping_add(1),
        })
    }

    /// Makes every record until `number` outlive a loss of power, and others of the moment with
    /// it.
    pub(crate) fn sync(&self, number: u64) -> Result<(), Error> {
        let mut synced = lock(&self.synced);
        if *synced >= number {
            return Ok(());
        }
        let written = self.written.load(Ordering::Acquire);
        let done = self.file.sync_data();
        done.map_err(failed("sync", &self.path))?;
        *synced = written;
        Ok(())
    }

    /// Whether a loss of power takes no record until `number`; no, while one is being synced.
    pub(crate) fn is_synced_to(&self, number: u64) -> bool {
        let synced = self.synced.try_lock();
        synced.is_ok_and(|synced| *synced >= number)
    }

    /// Whether a loss of power takes the record `number` no more.
    pub(crate) fn is_durable(&self, number: u64) -> bool {
        *lock(&self.synced) >= number
    }

    /// The number of the newest record.
    pub(crate) fn newest(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The tables hold every record until `number`, durably.
    pub(crate) fn settled(&self, number: u64) {
        let mut synced = lock(&self.synced);
        *synced = number.max(*synced);
    }
}

/// A record's bytes.
pub(crate) fn encode(number: u64, changes: &[Change]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    for change in changes {
        change.encode(&mut bytes);
    }
    seal(number, &mut bytes);
    bytes
}

/// A record of the same length that changes nothing.
pub(crate) fn void(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length.max(HEADER)];
    seal(number, &mut bytes);
    bytes
}

fn seal(number: u64, bytes: &mut [u8]) {
    let length = u32::try_from(bytes.len().saturating_sub(HEADER)).unwrap_or(u32::MAX);
    let Some((header, payload)) = bytes.split_first_chunk_mut::<HEADER>() else {
        return;
    };
    let checksum = checksum(number, payload);
    let fields = length
        .to_le_bytes()
        .into_iter()
        .chain(checksum.to_le_bytes())
        .chain(number.to_le_bytes());
    for (byte, field) in header.iter_mut().zip(fields) {
        *byte = field;
    }
}

fn checksum(number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The record at the start of `bytes`: its number, its changes, and what is behind it.
fn record(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (found, bytes) = bytes.split_first_chunk::<4>()?;
    let (number, bytes) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (payload, behind) = bytes.split_at_checked(length)?;
    let number = u64::from_le_bytes(*number);
    let whole = checksum(number, payload) == u32::from_le_bytes(*found);
    whole.then_some((number, payload, behind))
}

/// Gives a new file its size, in blocks that are written. Without the space for it there is no
/// log: then every commit goes to the tables.
fn make(file: &dyn StorageBackend) -> io::Result<u64> {
    let zeros = vec![0; usize::try_from(CAPACITY).unwrap_or(0)];
    let made = file
        .set_len(CAPACITY)
        .and_then(|()| file.write(0, &zeros))
        .and_then(|()| file.sync_data());
    match made {
        Ok(()) => Ok(CAPACITY),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            file.set_len(0)?;
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::file(action, path)(redb::Error::Io(error))
}
