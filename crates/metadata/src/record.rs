//! What is stored: JSON under a version of its own.

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;

/// A stored value: its table, and the version of its form.
///
/// A new optional field needs no new version; a changed meaning does.
pub trait Record: Serialize + DeserializeOwned {
    /// The table's name.
    const TABLE: &'static str;
    /// The version of the form written now.
    const VERSION: u16;

    /// Turns the document of an older version into this one; `None` if it cannot be.
    fn upgrade(_from: u16, _document: Value) -> Option<Value> {
        None
    }
}

/// The stored bytes: the version as two bytes, little end first, and the JSON document.
pub(crate) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, Error> {
    let mut bytes = R::VERSION.to_le_bytes().to_vec();
    serde_json::to_writer(&mut bytes, record).map_err(|source| Error::Encode {
        table: R::TABLE,
        source,
    })?;
    Ok(bytes)
}

pub(crate) fn decode<R: Record>(key: &str, bytes: &[u8]) -> Result<R, Error> {
    let damaged = |source: io::Error| Error::Damaged {
        table: R::TABLE,
        key: key.to_owned(),
        source,
    };
    let Some((version, document)) = bytes.split_first_chunk::<2>() else {
        return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
    };
    let version = u16::from_le_bytes(*version);
    if version == R::VERSION {
        return serde_json::from_slice(document).map_err(|e| damaged(e.into()));
    }
    if version > R::VERSION {
        return Err(Error::RecordVersion {
            table: R::TABLE,
            key: key.to_owned(),
            found: version,
            known: R::VERSION,
        });
    }
    let old = serde_json::from_slice(document).map_err(|e| damaged(e.into()))?;
    let new = R::upgrade(version, old)
        .ok_or_else(|| damaged(io::Error::other(format!("version {version} is forgotten"))))?;
    serde_json::from_value(new).map_err(|e| damaged(e.into()))
}
