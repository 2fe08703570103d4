//! The store, which is opened anew after a failure of its disk.

use crate::Error;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};
use std::fmt;
use std::sync::{PoisonError, RwLock};

type Open = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// The store. redb answers nothing any more once a write failed, as when the disk was full
/// for a moment: then it is opened anew at the next use, with what was committed before.
pub(crate) struct Store {
    open: Open,
    database: RwLock<Option<Database>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    pub(crate) fn open(
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, DatabaseError> {
        let database = open()?;
        Ok(Self {
            open: Box::new(open),
            database: RwLock::new(Some(database)),
        })
    }

    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Error> {
        self.with(|database| {
            let begun = database.begin_read();
            begun.map_err(Error::store("begin to read", "database"))
        })
    }

    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Error> {
        self.with(|database| {
            let begun = database.begin_write();
            begun.map_err(Error::store("begin to write", "database"))
        })
    }

    /// Gives the store up until its next use.
    pub(crate) fn close(&self) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn with<T>(&self, begin: impl Fn(&Database) -> Result<T, Error>) -> Result<T, Error> {
        let open = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*open {
            return begin(database);
        }
        drop(open);
        let mut closed = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let database = match closed.take() {
            Some(database) => database,
            None => (self.open)().map_err(Error::store("open again", "database"))?,
        };
        begin(closed.insert(database))
    }
}
