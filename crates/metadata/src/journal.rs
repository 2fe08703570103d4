//! The journal: events in the order of their commits, the oldest forgotten first.

use crate::Error;
use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition};
use serde::de::DeserializeOwned;
use std::io;
use types::Timestamp;

/// How many entries are kept.
pub const JOURNAL_BOUND: u64 = 8_192;

/// The first entry's place.
pub(crate) const FIRST: u64 = 1;

pub(crate) const NAME: &str = "journal";
/// Sequence number to time (eight bytes, little end first) and JSON document.
pub(crate) const TABLE: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new(NAME);

/// One event as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<E> {
    /// Its place: numbers only grow, and a gap means that nothing was there.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: E,
}

/// Which entries are wanted; the default is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Only entries with a greater sequence number.
    pub after: Option<u64>,
    /// Only entries at this time or later.
    pub since: Option<Timestamp>,
    /// Only entries at this time or earlier.
    pub until: Option<Timestamp>,
}

impl Span {
    pub(crate) fn is_behind(&self, sequence: u64) -> bool {
        self.after.is_none_or(|after| sequence > after)
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }
}

/// Encodes an entry before its place is known.
pub(crate) fn encode(at: Timestamp, event: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = at.nanos().to_le_bytes().to_vec();
    serde_json::to_writer(&mut bytes, event).map_err(|source| Error::Encode {
        table: NAME,
        source,
    })?;
    Ok(bytes)
}

/// The entry at a place, if it is of `span`.
pub(crate) fn decode<E: DeserializeOwned>(
    sequence: u64,
    bytes: &[u8],
    span: &Span,
) -> Result<Option<Entry<E>>, Error> {
    let damaged = |source| Error::Damaged {
        table: NAME,
        key: sequence.to_string(),
        source,
    };
    let Some((at, document)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
    };
    let at = Timestamp::from_nanos(u64::from_le_bytes(*at));
    if !span.holds(at) {
        return Ok(None);
    }
    let event = serde_json::from_slice(document).map_err(|e| damaged(e.into()))?;
    Ok(Some(Entry {
        sequence,
        at,
        event,
    }))
}

/// Puts an encoded entry at its place and drops the oldest beyond the bound.
pub(crate) fn insert(
    table: &mut Table<'_, u64, &'static [u8]>,
    place: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    let failed = || Error::store::<redb::StorageError>("append to", NAME);
    table.insert(place, bytes).map_err(failed())?;
    while table.len().map_err(failed())? > JOURNAL_BOUND {
        table.pop_first().map_err(failed())?;
    }
    Ok(())
}

/// The place of the newest entry.
pub(crate) fn last(table: &impl ReadableTable<u64, &'static [u8]>) -> Result<Option<u64>, Error> {
    let last = table.last();
    let last = last.map_err(Error::store("read", NAME))?;
    Ok(last.map(|(place, _)| place.value()))
}

/// The entries of `span`, the oldest first.
pub(crate) fn entries<E: DeserializeOwned>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    span: &Span,
) -> Result<Vec<Entry<E>>, Error> {
    let failed = || Error::store::<redb::StorageError>("read", NAME);
    let first = span.after.map_or(0, |after| after.saturating_add(1));
    let mut found = Vec::new();
    for row in table.range(first..).map_err(failed())? {
        let (sequence, bytes) = row.map_err(failed())?;
        found.extend(decode(sequence.value(), bytes.value(), span)?);
    }
    Ok(found)
}
