//! Reading and writing: one view of the database at a time.

use crate::pending::Pending;
use crate::{Entry, Error, JOURNAL_BOUND, Record, Span, journal, record};
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition,
    TableError, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::Timestamp;

type Records<'a> = TableDefinition<'a, &'static str, &'static [u8]>;
/// What a table is called in an error about it.
const RECORDS: &str = "a table of records";
type Stored = ReadOnlyTable<&'static str, &'static [u8]>;

/// The number of the log's newest record that the tables hold.
const APPLIED: TableDefinition<'static, &'static str, u64> = TableDefinition::new("log");
const APPLIED_KEY: &str = "applied";

/// A view of the database as it was at one commit: the tables, and over them what is only in
/// the log.
pub struct Read {
    pub(crate) transaction: ReadTransaction,
    pub(crate) pending: Arc<Pending>,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Read")
    }
}

impl Read {
    /// The record under `key`.
    pub fn find<R: Record>(&self, key: &str) -> Result<Option<R>, Error> {
        let pending = self.pending.rows(R::TABLE).and_then(|rows| rows.get(key));
        if let Some(pending) = pending {
            let bytes = pending.as_deref();
            return bytes.map(|bytes| record::decode(key, bytes)).transpose();
        }
        match self.records(R::TABLE)? {
            Some(table) => find(&table, key),
            None => Ok(None),
        }
    }

    /// Every record of a table with its key, in the keys' order.
    pub fn list<R: Record>(&self) -> Result<Vec<(String, R)>, Error> {
        let stored = self.records(R::TABLE)?;
        let Some(pending) = self.pending.rows(R::TABLE) else {
            return stored.map_or_else(|| Ok(Vec::new()), |table| list(&table));
        };
        let mut records = BTreeMap::new();
        if let Some(table) = stored {
            let is_old = |key: &str| !pending.contains_key(key);
            records.extend(list_where(&table, is_old)?);
        }
        for (key, bytes) in pending {
            if let Some(bytes) = bytes {
                records.insert(key.clone(), record::decode(key, bytes)?);
            }
        }
        Ok(records.into_iter().collect())
    }

    /// The journal's entries of `span`, the oldest first.
    pub fn entries<E: DeserializeOwned>(&self, span: &Span) -> Result<Vec<Entry<E>>, Error> {
        let (stored, last) = match self.journal()? {
            Some(table) => (journal::entries(&table, span)?, journal::last(&table)?),
            None => (Vec::new(), None),
        };
        let is_newer = |place: u64| last.is_none_or(|last| place > last);
        let pending = self.pending.journal().iter();
        let newer = pending.filter(|(place, _)| is_newer(*place));
        let forgotten = self.forgotten(newer.clone().count())?;
        let mut found = stored;
        found.retain(|entry| entry.sequence >= forgotten);
        for (place, bytes) in newer {
            if span.is_behind(*place) {
                found.extend(journal::decode(*place, bytes, span)?);
            }
        }
        Ok(found)
    }

    /// The first stored place that is not forgotten once `newer` entries follow.
    fn forgotten(&self, newer: usize) -> Result<u64, Error> {
        let Some(table) = self.journal()? else {
            return Ok(journal::FIRST);
        };
        let failed = || Error::store::<redb::StorageError>("read", journal::NAME);
        let count = table.len().map_err(failed())?.saturating_add(newer as u64);
        let excess = usize::try_from(count.saturating_sub(JOURNAL_BOUND)).unwrap_or(usize::MAX);
        let first = table.iter().map_err(failed())?.nth(excess);
        let first = first.transpose().map_err(failed())?;
        Ok(first.map_or(u64::MAX, |(place, _)| place.value()))
    }

    /// The place of the journal's newest entry.
    pub(crate) fn last_place(&self) -> Result<Option<u64>, Error> {
        let stored = self.journal()?.map(|table| journal::last(&table));
        let pending = self.pending.journal().back().map(|(place, _)| *place);
        Ok(stored.transpose()?.flatten().max(pending))
    }

    /// The number of the log's newest record that the tables hold.
    pub(crate) fn applied(&self) -> Result<u64, Error> {
        let Some(table) = present(self.transaction.open_table(APPLIED), "log")? else {
            return Ok(0);
        };
        let found = table
            .get(APPLIED_KEY)
            .map_err(Error::store("read", "log"))?;
        Ok(found.map_or(0, |number| number.value()))
    }

    fn records(&self, table: &'static str) -> Result<Option<Stored>, Error> {
        present(self.transaction.open_table(Records::new(table)), table)
    }

    fn journal(&self) -> Result<Option<ReadOnlyTable<u64, &'static [u8]>>, Error> {
        present(self.transaction.open_table(journal::TABLE), journal::NAME)
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
        let bytes = journal::encode(at, event)?;
        let mut table = self.journal()?;
        let last = journal::last(&table)?;
        let place = last.map_or(journal::FIRST, |last| last.saturating_add(1));
        journal::insert(&mut table, place, &bytes)?;
        Ok(place)
    }

    pub(crate) fn append_at(&self, place: u64, bytes: &[u8]) -> Result<(), Error> {
        journal::insert(&mut self.journal()?, place, bytes)
    }

    /// Notes the number of the log's newest record that the tables hold.
    pub(crate) fn set_applied(&self, number: u64) -> Result<(), Error> {
        let opened = self.0.open_table(APPLIED);
        let mut table = opened.map_err(Error::store("open", "log"))?;
        let noted = table.insert(APPLIED_KEY, number).map(drop);
        noted.map_err(Error::store("write to", "log"))
    }

    fn journal(&self) -> Result<redb::Table<'_, u64, &'static [u8]>, Error> {
        let opened = self.0.open_table(journal::TABLE);
        opened.map_err(Error::store("open", journal::NAME))
    }

    pub(crate) fn put_bytes(&self, table: &str, key: &str, bytes: &[u8]) -> Result<(), Error> {
        let inserted = self.table(table)?.insert(key, bytes).map(drop);
        inserted.map_err(Error::store("write to", RECORDS))
    }

    pub(crate) fn remove_key(&self, table: &str, key: &str) -> Result<bool, Error> {
        let mut open = self.table(table)?;
        let removed = open.remove(key).map(|old| old.is_some());
        removed.map_err(Error::store("remove from", RECORDS))
    }

    fn table(&self, name: &str) -> Result<redb::Table<'_, &'static str, &'static [u8]>, Error> {
        let opened = self.0.open_table(Records::new(name));
        opened.map_err(Error::store("open", RECORDS))
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
    list_where(table, |_| true)
}

/// The records whose keys are `wanted`.
fn list_where<R: Record>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, R)>, Error> {
    let mut records = Vec::new();
    for row in table.iter().map_err(Error::store("read", R::TABLE))? {
        let (key, bytes) = row.map_err(Error::store("read", R::TABLE))?;
        if wanted(key.value()) {
            let record = record::decode(key.value(), bytes.value())?;
            records.push((key.value().to_owned(), record));
        }
    }
    Ok(records)
}
