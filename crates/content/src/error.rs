//! Why the store could not do as asked.

use std::io;
use std::path::{Path, PathBuf};
use types::{Digest, ErrorKind, Kind};

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such blob.
    #[error("blob {digest} does not exist")]
    NotFound {
        /// Its digest.
        digest: Digest,
    },
    /// What came is not what was announced.
    #[error("content does not match its digest: expected {expected}, found {found}")]
    Mismatch {
        /// The digest announced.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// More or less came than was announced.
    #[error(
        "content of {digest} does not match its size: expected {expected} bytes, found {found}"
    )]
    Size {
        /// The digest announced.
        digest: Digest,
        /// The bytes announced.
        expected: u64,
        /// The bytes that came, or that came so far.
        found: u64,
    },
    /// A blob is too large to be read into memory.
    #[error("blob {digest} has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its digest.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// The most that was asked for.
        limit: u64,
    },
    /// An ingest's key is no single path component of harmless characters.
    #[error(
        "ingest key {key:?} is empty, longer than 200 bytes or has characters outside [A-Za-z0-9_.:+-]"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// Another writer has the ingest.
    #[error("ingest {key} is being written")]
    Busy {
        /// Its key.
        key: String,
    },
    /// The file system failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Mismatch { .. } | Self::Size { .. } => ErrorKind::DataLoss,
            Self::TooLarge { .. } => ErrorKind::ResourceExhausted,
            Self::Key { .. } => ErrorKind::InvalidArgument,
            Self::Busy { .. } => ErrorKind::Conflict,
            Self::Io { source, .. } => source.kind().into(),
        }
    }
}
