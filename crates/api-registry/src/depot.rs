//! What the registry has, and who may remove it.

use crate::error::{Error, Result};
use crate::records::{BlobRecord, ManifestRecord, SEPARATOR, key};
use content::{Ingest, Store};
use metadata::{Database, Write};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::{Digest, Timestamp};
use unpack::Unpack;

/// An upload that nobody went on with for so long is given up.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The repositories of a registry. Cloned freely.
#[derive(Clone, Debug)]
pub struct Depot(pub(crate) Arc<Inner>, Wholeness);

/// Whether a manifest's blobs must be in its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wholeness {
    Whole,
    Sparse,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) content: Store,
    pub(crate) database: Database,
    /// Reads the manifests that clients send.
    pub(crate) worker: Unpack,
    /// Uploads that go on, by their sessions, while no request writes them.
    pub(crate) uploads: Mutex<HashMap<String, Ingest>>,
    /// Whoever says that a repository has a blob, or takes that back, has this: a blob cannot
    /// go between the look for it and the word.
    links: Mutex<()>,
}

/// Why a registry's directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made.
    #[error("cannot create {path}")]
    Create {
        /// Where.
        path: std::path::PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The store of blobs.
    #[error("cannot open the blobs")]
    Content {
        /// Why.
        source: content::Error,
    },
    /// The database, which one registry at a time may have.
    #[error("cannot open the database")]
    Metadata {
        /// Why.
        source: metadata::Error,
    },
}

impl Depot {
    /// Opens the registry at `root`, makes it if it is not there, and collects what a crash
    /// left; `worker` reads the manifests that clients send.
    pub fn open(root: &Path, worker: Unpack) -> std::result::Result<Self, OpenError> {
        std::fs::create_dir_all(root).map_err(|source| OpenError::Create {
            path: root.to_owned(),
            source,
        })?;
        let content = |source| OpenError::Content { source };
        let metadata = |source| OpenError::Metadata { source };
        let database = Database::open(&root.join("registry.redb")).map_err(metadata)?;
        let store = Store::open(&root.join("content")).map_err(content)?;
        let inner = Inner {
            content: store,
            database,
            worker,
            uploads: Mutex::default(),
            links: Mutex::default(),
        };
        let depot = Self(Arc::new(inner), Wholeness::Whole);
        let needed = depot.needed().map_err(metadata)?;
        depot.sweep(&needed).map_err(content)?;
        Ok(depot)
    }

    /// Takes manifests whose blobs are not in their repository.
    #[must_use]
    pub fn sparse(self) -> Self {
        Self(self.0, Wholeness::Sparse)
    }

    pub(crate) fn wholeness(&self) -> Wholeness {
        self.1
    }

    /// Removes blobs that no repository has, and uploads that were given up.
    fn sweep(&self, needed: &HashSet<String>) -> std::result::Result<(), content::Error> {
        let store = &self.0.content;
        for blob in store.list()? {
            if !needed.contains(&blob.digest.to_string()) {
                store.delete(&blob.digest)?;
            }
        }
        for partial in store.partials()? {
            let age = partial.modified.elapsed().unwrap_or_default();
            if !partial.active && age > STALE {
                store.abort(&partial.key)?;
            }
        }
        Ok(())
    }

    fn needed(&self) -> std::result::Result<HashSet<String>, metadata::Error> {
        self.0.database.read(|read| {
            let blobs = read.list::<BlobRecord>()?.into_iter().map(|(key, _)| key);
            let manifests = read
                .list::<ManifestRecord>()?
                .into_iter()
                .map(|(key, _)| key);
            let digest = |key: String| Some(key.split_once(SEPARATOR)?.1.to_owned());
            Ok(blobs.chain(manifests).filter_map(digest).collect())
        })
    }

    /// Keeps blobs from going while the result lives.
    pub(crate) fn linking(&self) -> MutexGuard<'_, ()> {
        self.0.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn uploads(&self) -> MutexGuard<'_, HashMap<String, Ingest>> {
        self.0
            .uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a repository has a blob which is in the store.
    pub(crate) fn link(&self, repository: &str, digest: &Digest) -> Result<()> {
        let record = BlobRecord {
            at: Timestamp::now(),
        };
        self.0.database.write::<_, metadata::Error>(|write| {
            write.put(&key(repository, &digest.to_string()), &record)
        })?;
        Ok(())
    }

    /// Changes records and then removes the blobs among `digests` that no repository has any
    /// more.
    pub(crate) fn unlink(
        &self,
        digests: &[Digest],
        change: impl FnOnce(&Write) -> Result<()>,
    ) -> Result<()> {
        let _linking = self.linking();
        self.0.database.write::<_, Error>(change)?;
        let needed = self.needed()?;
        for digest in digests {
            if !needed.contains(&digest.to_string()) {
                self.0.content.delete(digest)?;
            }
        }
        Ok(())
    }

    /// Whether a repository has a blob, or a manifest which may be read as one.
    pub(crate) fn has(&self, repository: &str, digest: &Digest) -> Result<bool> {
        let key = key(repository, &digest.to_string());
        let found = self.0.database.read::<_, metadata::Error>(|read| {
            let blob = read.find::<BlobRecord>(&key)?.is_some();
            Ok(blob || read.find::<ManifestRecord>(&key)?.is_some())
        })?;
        Ok(found && self.0.content.find(digest)?.is_some())
    }
}
