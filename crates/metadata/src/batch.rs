//! Changes prepared before the writer's turn.

use crate::{Error, Record, Write, journal, record};
use serde::Serialize;
use types::Timestamp;

#[derive(Debug)]
enum Change {
    Put(&'static str, String, Vec<u8>),
    Remove(&'static str, String),
    Append(Vec<u8>),
}

/// Changes that need no look at the database, so that many callers' share one commit.
#[derive(Debug, Default)]
pub struct Batch(Vec<Change>);

impl Batch {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `record` under `key`, in place of what is there.
    pub fn put<R: Record>(&mut self, key: &str, record: &R) -> Result<(), Error> {
        let bytes = record::encode(record)?;
        self.0.push(Change::Put(R::TABLE, key.to_owned(), bytes));
        Ok(())
    }

    /// Takes the record under `key` away, if there is one.
    pub fn remove<R: Record>(&mut self, key: &str) {
        self.0.push(Change::Remove(R::TABLE, key.to_owned()));
    }

    /// Puts `event` at the end of the journal.
    pub fn append(&mut self, at: Timestamp, event: &impl Serialize) -> Result<(), Error> {
        self.0.push(Change::Append(journal::encode(at, event)?));
        Ok(())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the changes of `other` after these.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Makes the changes; gives the journal's sequence numbers in the order of the appends.
    pub(crate) fn apply(&self, write: &Write) -> Result<Vec<u64>, Error> {
        let mut sequences = Vec::new();
        for change in &self.0 {
            match change {
                Change::Put(table, key, bytes) => write.put_bytes(table, key, bytes)?,
                Change::Remove(table, key) => write.remove_key(table, key).map(drop)?,
                Change::Append(bytes) => sequences.push(write.append_bytes(bytes)?),
            }
        }
        Ok(sequences)
    }
}
