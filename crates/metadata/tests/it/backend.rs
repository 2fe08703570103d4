//! A disk in memory that counts, fails and forgets.

use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Everything that was done, if it is to be replayed.
    log: Vec<Operation>,
    full: bool,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk that holds what `operations` left.
    pub(crate) fn after(operations: &[Operation]) -> Self {
        let disk = Self::default();
        for operation in operations {
            match operation {
                Operation::Write(offset, data) => disk.write(*offset, data).unwrap(),
                Operation::Length(length) => disk.set_len(*length).unwrap(),
                Operation::Sync => {}
            }
        }
        disk.0.lock().unwrap().log.clear();
        disk
    }

    pub(crate) fn log(&self) -> Vec<Operation> {
        self.0.lock().unwrap().log.clone()
    }

    pub(crate) fn syncs(&self) -> usize {
        let state = self.0.lock().unwrap();
        state
            .log
            .iter()
            .filter(|o| matches!(o, Operation::Sync))
            .count()
    }

    /// From now on every write fails for want of space, or succeeds again.
    pub(crate) fn set_full(&self, full: bool) {
        self.0.lock().unwrap().full = full;
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let found = state.bytes.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.log.push(Operation::Length(length));
        state.bytes.resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.lock().unwrap().log.push(Operation::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.log.push(Operation::Write(offset, data.to_vec()));
        let start = usize::try_from(offset).unwrap();
        let end = start + data.len();
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[start..end].copy_from_slice(data);
        Ok(())
    }
}
