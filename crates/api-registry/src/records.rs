//! What is stored about repositories.

use metadata::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use types::{Digest, Timestamp};

/// Between a repository and what it has: no name has it.
pub(crate) const SEPARATOR: char = '\n';

/// A blob that a repository has, under [`key`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BlobRecord {
    pub(crate) at: Timestamp,
}

/// A manifest that a repository has, under [`key`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    pub(crate) media_type: String,
    pub(crate) size: u64,
    pub(crate) at: Timestamp,
    /// What it is about, and what it says of itself there.
    pub(crate) subject: Option<Digest>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A tag of a repository, under [`key`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) manifest: Digest,
    pub(crate) at: Timestamp,
}

impl Record for BlobRecord {
    const TABLE: &'static str = "registry-blobs";
    const VERSION: u16 = 1;
}

impl Record for ManifestRecord {
    const TABLE: &'static str = "registry-manifests";
    const VERSION: u16 = 1;
}

impl Record for TagRecord {
    const TABLE: &'static str = "registry-tags";
    const VERSION: u16 = 1;
}

/// The key of something of a repository.
pub(crate) fn key(repository: &str, name: &str) -> String {
    format!("{repository}{SEPARATOR}{name}")
}

/// What of `repository` the key is of, if it is of it.
pub(crate) fn of<'a>(repository: &str, key: &'a str) -> Option<&'a str> {
    key.strip_prefix(repository)?.strip_prefix(SEPARATOR)
}
