//! Why a volume was not made, mounted or removed.

use std::io;
use std::path::{Path, PathBuf};
use types::{ErrorKind, Kind};

/// What failed, on what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that the local driver does not know.
    #[error("invalid option: {0:?}")]
    UnknownOption(String),
    /// An option that another one needs.
    #[error("missing required option: {0:?}")]
    MissingOption(&'static str),
    /// A size that the file system under the volumes cannot enforce.
    #[error("quota size requested but no quota support")]
    NoQuota,
    /// A value that cannot be so.
    #[error("invalid value of option {option}: {reason}")]
    Value {
        /// The option.
        option: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// The file system could not be mounted.
    #[error("failed to mount local volume: mount {device}:{}, data: {data}", .path.display())]
    Mount {
        /// What was to be mounted.
        device: String,
        /// Where.
        path: PathBuf,
        /// The options that its file system was given, without passwords.
        data: String,
        /// The system's words.
        source: io::Error,
    },
    /// The file system refused.
    #[error("{attempt} {}", .path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
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
            Self::UnknownOption(_)
            | Self::MissingOption(_)
            | Self::NoQuota
            | Self::Value { .. } => ErrorKind::InvalidArgument,
            Self::Mount { .. } => ErrorKind::Internal,
            Self::Io { source, .. } => source.kind().into(),
        }
    }
}
