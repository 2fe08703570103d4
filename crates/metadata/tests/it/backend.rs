//! A disk in memory that counts, fails and forgets.

use metadata::{Database, Error};
use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Which of the database's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Tables,
    Log,
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Write(File, u64, Vec<u8>),
    Length(File, u64),
    Sync(File),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Nothing grows, for want of space.
    Full,
    /// The tables cannot be written either, for want of space.
    FullTables,
    /// The log cannot be synced.
    LogSync,
    /// Nothing is written or synced.
    Broken,
}

#[derive(Debug, Default)]
struct State {
    tables: Vec<u8>,
    log: Vec<u8>,
    /// Everything that was done, so that it can be replayed.
    done: Vec<Operation>,
    fault: Fault,
    /// How long a sync takes.
    slowness: Duration,
}

impl State {
    fn bytes(&mut self, file: File) -> &mut Vec<u8> {
        match file {
            File::Tables => &mut self.tables,
            File::Log => &mut self.log,
        }
    }

    fn refuse(&self, file: File, grows: bool) -> io::Result<()> {
        match self.fault {
            Fault::Full if grows => Err(io::ErrorKind::StorageFull.into()),
            Fault::FullTables if grows || file == File::Tables => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Fault::Broken => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }
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
                Operation::Write(file, offset, data) => disk.file(*file).write(*offset, data),
                Operation::Length(file, length) => disk.file(*file).set_len(*length),
                Operation::Sync(_) => Ok(()),
            }
            .unwrap();
        }
        disk.0.lock().unwrap().done.clear();
        disk
    }

    pub(crate) fn open(&self) -> Result<Database, Error> {
        Database::with_backends(self.file(File::Tables), self.file(File::Log))
    }

    fn file(&self, file: File) -> Backend {
        Backend(self.clone(), file)
    }

    pub(crate) fn done(&self) -> Vec<Operation> {
        self.0.lock().unwrap().done.clone()
    }

    /// How often a file was synced.
    pub(crate) fn syncs(&self) -> usize {
        let state = self.0.lock().unwrap();
        let syncs = state.done.iter();
        syncs.filter(|o| matches!(o, Operation::Sync(_))).count()
    }

    /// What goes wrong from now on.
    pub(crate) fn set_fault(&self, fault: Fault) {
        self.0.lock().unwrap().fault = fault;
    }

    /// How long each sync takes from now on.
    pub(crate) fn set_slowness(&self, slowness: Duration) {
        self.0.lock().unwrap().slowness = slowness;
    }
}

/// One file of a disk.
#[derive(Clone, Debug)]
pub(crate) struct Backend(Disk, File);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().bytes(self.1).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let found = state.bytes(self.1).get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let new = usize::try_from(length).unwrap();
        let grows = new > state.bytes(self.1).len();
        state.refuse(self.1, grows)?;
        state.done.push(Operation::Length(self.1, length));
        state.bytes(self.1).resize(new, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let slowness = self.0.0.lock().unwrap().slowness;
        std::thread::sleep(slowness);
        match (self.0.0.lock().unwrap().fault, self.1) {
            (Fault::Broken, _) | (Fault::LogSync, File::Log) => {
                return Err(io::Error::from_raw_os_error(5));
            }
            _ => {}
        }
        self.0.0.lock().unwrap().done.push(Operation::Sync(self.1));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let end = start + data.len();
        let grows = state.bytes(self.1).len() < end;
        state.refuse(self.1, grows)?;
        let operation = Operation::Write(self.1, offset, data.to_vec());
        state.done.push(operation);
        let bytes = state.bytes(self.1);
        if grows {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(())
    }
}
