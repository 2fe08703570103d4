//! What is committed and not yet in the tables: readers see it over them.

use crate::JOURNAL_BOUND;
use crate::change::Change;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

/// A table's keys with their values; `None` for one that was taken away.
pub(crate) type Rows = BTreeMap<String, Option<Vec<u8>>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    tables: BTreeMap<Cow<'static, str>, Rows>,
    journal: VecDeque<(u64, Vec<u8>)>,
}

impl Pending {
    pub(crate) fn extend(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Put(table, key, bytes) => self.set(table, key, Some(bytes)),
                Change::Remove(table, key) => self.set(table, key, None),
                Change::Append(sequence, bytes) => self.journal.push_back((sequence, bytes)),
            }
        }
        while self.journal.len() as u64 > JOURNAL_BOUND {
            self.journal.pop_front();
        }
    }

    fn set(&mut self, table: Cow<'static, str>, key: String, value: Option<Vec<u8>>) {
        self.tables.entry(table).or_default().insert(key, value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.journal.is_empty()
    }

    /// What is known of the keys of `table`.
    pub(crate) fn rows(&self, table: &str) -> Option<&Rows> {
        self.tables.get(table)
    }

    /// The newest journal entries, the oldest of them first.
    pub(crate) fn journal(&self) -> &VecDeque<(u64, Vec<u8>)> {
        &self.journal
    }

    /// The changes that bring the tables to this.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> {
        let rows = self.tables.iter().flat_map(|(table, rows)| {
            rows.iter().map(|(key, value)| match value {
                Some(bytes) => Change::Put(table.clone(), key.clone(), bytes.clone()),
                None => Change::Remove(table.clone(), key.clone()),
            })
        });
        let entries = self.journal.iter();
        rows.chain(entries.map(|(sequence, bytes)| Change::Append(*sequence, bytes.clone())))
    }
}
