//! What is said of builds.
#![expect(missing_docs, reason = "fields bear the Engine API's own names")]

use crate::List;
use serde::{Deserialize, Serialize};

/// The answer to `POST /build/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PruneReport {
    pub caches_deleted: List<String>,
    pub space_reclaimed: u64,
}
