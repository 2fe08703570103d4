//! Reading and writing: one view of the database at a time.

use crate::{Entry, Error, Record, Span, journal, record};
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use types::Timestamp;

pub(crate) type Records = TableDefinition<'static, &'static str, &'static [u8]>;

/// A view of the database as it was at one commit.
pub struct Read(pub(crate) ReadTransaction);

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Read")
    }
}

impl Read {
    /// The record under `key`.
    pub fn find<R: Record>(&self, key: &str) -> Result<Option<R>, Error> {
        match present(self.0.open_table(Records::new(R::TABLE)), R::TABLE)? {
            Some(table) => find(&table, key),
            None => Ok(None),
        }
    }

    /// Every record of a table with its key, in the keys' order.
    pub fn list<R: Record>(&self) -> Result<Vec<(String, R)>, Error> {
        match present(self.0.open_table(Records::new(R::TABLE)), R::TABLE)? {
            Some(table) => list(&table),
            None => Ok(Vec::new()),
        }
    }

    /// The journal's entries of `span`, the oldest first.
    pub fn entries<E: DeserializeOwned>(&self, span: &Span) -> Result<Vec<Entry<E>>, Error> {
        match present(self.0.open_table(journal::TABLE), journal::NAME)? {
            Some(table) => journal::entries(&table, span),
            None => Ok(Vec::new()),
        }
    }
}

/// Changes that all happen, durably, or do not at all.
pub struct Write(pub(crate) WriteTransaction);

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Write")
    }
}

impl Write {
    /// The record under `key`, as this transaction left it.
    pub fn find<R: Record>(&self, key: &str) -> Result<Option<R>, Error> {
        find(&self.table(R::TABLE)?, key)
    }

    /// Every record of a table with its key, in the keys' order.
    pub fn list<R: Record>(&self) -> Result<Vec<(String, R)>, Error> {
        list(&self.table(R::TABLE)?)
    }

    /// Stores `record` under `key`, in place of what was there.
    pub fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), Error> {
        self.put_bytes(R::TABLE, key, &record::encode(record)?)
    }

    /// Takes the record under `key` away; says whether there was one.
    pub fn remove<R: Record>(&self, key: &str) -> Result<bool, Error> {
        self.remove_key(R::TABLE, key)
    }

    /// Puts `event` at the end of the journal; gives its sequence number.
    pub fn append(&self, at: Timestamp, event: &impl Serialize) -> Result<u64, Error> {
        self.append_bytes(&journal::encode(at, event)?)
    }

    pub(crate) fn append_bytes(&self, bytes: &[u8]) -> Result<u64, Error> {
        let opened = self.0.open_table(journal::TABLE);
        let mut table = opened.map_err(Error::store("open", journal::NAME))?;
        journal::append(&mut table, bytes)
    }

    pub(crate) fn put_bytes(
        &self,
        table: &'static str,
        key: &str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let inserted = self.table(table)?.insert(key, bytes).map(drop);
        inserted.map_err(Error::store("write to", table))
    }

    pub(crate) fn remove_key(&self, table: &'static str, key: &str) -> Result<bool, Error> {
        let mut open = self.table(table)?;
        let removed = open.remove(key).map(|old| old.is_some());
        removed.map_err(Error::store("remove from", table))
    }

    fn table(
        &self,
        name: &'static str,
    ) -> Result<redb::Table<'_, &'static str, &'static [u8]>, Error> {
        let opened = self.0.open_table(Records::new(name));
        opened.map_err(Error::store("open", name))
    }
}

/// A table that nothing was written to yet is an empty one.
fn present<T>(opened: Result<T, TableError>, name: &'static str) -> Result<Option<T>, Error> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(source) => Err(Error::store("open", name)(source)),
    }
}

fn find<R: Record>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<R>, Error> {
    let found = table.get(key).map_err(Error::store("read", R::TABLE))?;
    found
        .map(|bytes| record::decode(key, bytes.value()))
        .transpose()
}

fn list<R: Record>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Vec<(String, R)>, Error> {
    let rows = table.iter().map_err(Error::store("read", R::TABLE))?;
    rows.map(|row| {
        let (key, bytes) = row.map_err(Error::store("read", R::TABLE))?;
        let key = key.value().to_owned();
        let record = record::decode(&key, bytes.value())?;
        Ok((key, record))
    })
    .collect()
}
