//! Why a writable part was not made, measured or removed.

use std::io;
use std::path::{Path, PathBuf};
use types::{ContainerId, ErrorKind, Kind};

/// What failed, on what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A root file system needs at least one layer.
    #[error("prepare a root file system for {0}: it has no layer")]
    NoLayer(ContainerId),
    /// The container has a writable part already.
    #[error("prepare a root file system for {0}: it has one already")]
    Exists(ContainerId),
    /// The file system refused.
    #[error("{attempt} {}", .path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io<E: Into<io::Error>>(
        attempt: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            attempt,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoLayer(_) => ErrorKind::InvalidArgument,
            Self::Exists(_) => ErrorKind::AlreadyExists,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    ErrorKind::ResourceExhausted
                }
                io::ErrorKind::ResourceBusy => ErrorKind::Conflict,
                _ => ErrorKind::Internal,
            },
        }
    }
}
