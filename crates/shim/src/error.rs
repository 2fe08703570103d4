//! Why the shim refuses or fails, in its own words and as ttrpc's statuses.

use proto::shim::CommandError;
use proto::{Code, Status, failure};
use std::io;
use std::path::{Path, PathBuf};
use types::{ErrorKind, Kind};

/// Why an operation of the shim failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing of this id is held.
    #[error("no such {kind}: {id}")]
    NotFound {
        /// container or process.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The id is in use.
    #[error("{kind} {id} exists")]
    Exists {
        /// container or process.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// Its state does not allow it.
    #[error("{kind} {id} {state}")]
    State {
        /// container or process.
        kind: &'static str,
        /// Its id.
        id: String,
        /// What it is instead.
        state: &'static str,
    },
    /// The request cannot be understood.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The shim does not do that.
    #[error("{0} is not supported by corten's shim")]
    Unsupported(String),
    /// The container could not be made or joined.
    #[error(transparent)]
    Container(#[from] container::Error),
    /// Its cgroup could not be used.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// Its filter could not be compiled.
    #[error(transparent)]
    Seccomp(#[from] seccomp::Error),
    /// Its log could not be opened.
    #[error(transparent)]
    Log(#[from] logs::Error),
    /// A file or system call failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Shorthand of this crate.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn invalid<E: ToString>(field: &'static str) -> impl FnOnce(E) -> Self {
        move |reason| Self::Invalid {
            field,
            reason: reason.to_string(),
        }
    }

    /// As ttrpc says it.
    pub(crate) fn status(&self) -> Status {
        let code = match (self, self.kind()) {
            // Which container or process is not there; that a file of its is not is no such news.
            (Self::NotFound { .. }, _) => Code::NotFound,
            (_, ErrorKind::NotFound) => Code::Internal,
            (_, kind) => code(kind),
        };
        let status = failure(code, chain(self));
        match self {
            Self::Container(error) if (126..=127).contains(&error.exit_status()) => {
                status.with(&CommandError {
                    exit_code: u32::from(error.exit_status()),
                })
            }
            _ => status,
        }
    }
}

/// The error and what it came from, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::State { .. } => ErrorKind::Conflict,
            Self::Invalid { .. } => ErrorKind::InvalidArgument,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Container(error) => error.kind(),
            Self::Cgroup(error) => error.kind(),
            Self::Seccomp(error) => error.kind(),
            Self::Log(error) => error.kind(),
            Self::Io { source, .. } => source.kind().into(),
        }
    }
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Conflict | ErrorKind::NotModified => Code::FailedPrecondition,
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::DataLoss => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
    }
}
