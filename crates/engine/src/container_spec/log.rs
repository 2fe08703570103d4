//! Where a container's output is kept.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A log driver and its options; an empty driver is the daemon's default, `json-file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSpec {
    /// `json-file`, `none`, or empty. Others are refused at creation.
    pub driver: String,
    /// The driver's options: `max-size`, `max-file`, `labels`, `env`, `tag`.
    pub options: BTreeMap<String, String>,
}
