//! Changes prepared before the writer's turn.

use crate::change::Change;
use crate::{Error, Record, journal, record};
use serde::Serialize;
use types::Timestamp;

#[derive(Debug)]
enum Step {
    Put(&'static str, String, Vec<u8>),
    Remove(&'static str, String),
    Append(Vec<u8>),
}

/// Changes that need no look at the database, so that many callers' share one sync.
#[derive(Debug, Default)]
pub struct Batch(Vec<Step>);

impl Batch {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `record` under `key`, in place of what is there.
    pub fn put<R: Record>(&mut self, key: &str, record: &R) -> Result<(), Error> {
        let bytes = record::encode(record)?;
        self.0.push(Step::Put(R::TABLE, key.to_owned(), bytes));
        Ok(())
    }

    /// Takes the record under `key` away, if there is one.
    pub fn remove<R: Record>(&mut self, key: &str) {
        self.0.push(Step::Remove(R::TABLE, key.to_owned()));
    }

    /// Puts `event` at the end of the journal.
    pub fn append(&mut self, at: Timestamp, event: &impl Serialize) -> Result<(), Error> {
        self.0.push(Step::Append(journal::encode(at, event)?));
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

    /// The changes, with places in the journal from `next` on; and these places.
    pub(crate) fn placed(self, next: u64) -> (Vec<Change>, Vec<u64>) {
        let mut places = Vec::new();
        let place = |step| match step {
            Step::Put(table, key, bytes) => Change::Put(table.into(), key, bytes),
            Step::Remove(table, key) => Change::Remove(table.into(), key),
            Step::Append(bytes) => {
                let sequence = next.saturating_add(places.len() as u64);
                places.push(sequence);
                Change::Append(sequence, bytes)
            }
        };
        let changes = self.0.into_iter().map(place).collect();
        (changes, places)
    }
}
