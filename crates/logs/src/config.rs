//! Where and how a container's output is kept.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

/// A container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Config {
    /// Output goes to attached clients alone.
    #[default]
    None,
    /// Docker's `json-file`.
    JsonFile(JsonFile),
}

/// Docker's `json-file`: one JSON object a line, in files of bounded size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonFile {
    /// The current file; older ones are `PATH.1`, `PATH.2`...
    pub path: PathBuf,
    /// The size in bytes after which a new file is begun; `None`: never.
    pub max_size: Option<NonZeroU64>,
    /// How many files there may be, with the current one; `None`: one.
    pub max_file: Option<NonZeroU32>,
    /// Labels, environment and tag, repeated in every record.
    pub attributes: BTreeMap<String, String>,
}

impl JsonFile {
    /// How many files there may be.
    pub(crate) fn files(&self) -> u32 {
        self.max_file.map_or(1, NonZeroU32::get)
    }
}
