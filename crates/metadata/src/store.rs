//! The store, which is opened anew after a failure of its disk.

use crate::Error;
use redb::backends::InMemoryBackend;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction,
};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

type Open = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;
type Bytes = Box<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>;

/// The store. redb answers nothing any more once a write failed, as when the disk was full
/// for a moment: then it is opened anew at the next use, with what was committed before. Where
/// it cannot be, because its disk takes no write at all, readers have a copy in memory.
pub(crate) struct Store {
    /// Its file, for whoever reads an error.
    path: PathBuf,
    open: Open,
    /// What is on the disk.
    bytes: Bytes,
    now: RwLock<Now>,
}

enum Now {
    Open(Database),
    /// What readers have until it can be opened.
    Copy(Database),
    Closed,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    pub(crate) fn open(
        path: &Path,
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
        bytes: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Result<Self, DatabaseError> {
        let database = open()?;
        Ok(Self {
            path: path.to_owned(),
            open: Box::new(open),
            bytes: Box::new(bytes),
            now: RwLock::new(Now::Open(database)),
        })
    }

    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Error> {
        let begin = |database: &Database| {
            let begun = database.begin_read();
            begun.map_err(Error::file("begin to read", &self.path))
        };
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        if let Now::Open(database) | Now::Copy(database) = &*now {
            return begin(database);
        }
        drop(now);
        let mut now = self.change();
        if let Now::Closed = &*now {
            *now = match (self.open)() {
                Ok(database) => Now::Open(database),
                Err(error) => match self.copy() {
                    Ok(copy) => Now::Copy(copy),
                    Err(_) => return Err(Error::file("open again", &self.path)(error)),
                },
            };
        }
        match &*now {
            Now::Open(database) | Now::Copy(database) => begin(database),
            Now::Closed => Err(self.closed()),
        }
    }

    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Error> {
        let begin = |database: &Database| {
            let begun = database.begin_write();
            begun.map_err(Error::file("begin to write", &self.path))
        };
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        if let Now::Open(database) = &*now {
            return begin(database);
        }
        drop(now);
        let mut now = self.change();
        if !matches!(&*now, Now::Open(_)) {
            let opened = (self.open)().map_err(Error::file("open again", &self.path))?;
            *now = Now::Open(opened);
        }
        match &*now {
            Now::Open(database) => begin(database),
            Now::Copy(_) | Now::Closed => Err(self.closed()),
        }
    }

    /// Gives the store up until its next use.
    pub(crate) fn close(&self) {
        *self.change() = Now::Closed;
    }

    fn change(&self) -> RwLockWriteGuard<'_, Now> {
        self.now.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> Error {
        let source = redb::Error::Io(io::Error::other("it is closed"));
        Error::file("open again", &self.path)(source)
    }

    fn copy(&self) -> Result<Database, DatabaseError> {
        let bytes = (self.bytes)()?;
        let memory = InMemoryBackend::new();
        memory.set_len(bytes.len() as u64)?;
        memory.write(0, &bytes)?;
        Database::builder().create_with_backend(memory)
    }
}
