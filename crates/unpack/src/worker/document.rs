//! Documents of images: JSON of a bounded size.

use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Read;

use super::machine;
use crate::error::Refusal;
use crate::limits::Limits;

/// All of a document.
pub(super) fn bytes(input: File, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = input.take(limits.document + 1).read_to_end(&mut bytes);
    read.map_err(|error| machine("read a document", &error))?;
    match bytes.len() as u64 > limits.document {
        true => Err(Refusal::Limit {
            entry: "document".to_owned(),
            what: "its size".to_owned(),
            limit: limits.document,
        }),
        false => Ok(bytes),
    }
}

/// What a document says; `name` is told in the refusal.
pub(super) fn read<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::Entry {
        entry: name.to_owned(),
        reason: error.to_string(),
    })
}
