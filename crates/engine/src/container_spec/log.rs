//! Where a container's output is kept.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A log driver and its options; an empty driver is the daemon's default, `json-file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSpec {
    /// One of [`LOG_DRIVERS`](crate::LOG_DRIVERS), or empty.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}
