//! Why records cannot be sent.

use std::io;
use types::{ErrorKind, Kind};

/// An option that cannot be so, in dockerd's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionError(pub String);

/// Why a connection could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nobody to send to.
    #[error("{0}")]
    Absent(String),
    /// A connection failed.
    #[error("{action}")]
    Connection {
        /// What was attempted.
        action: String,
        /// Why.
        source: io::Error,
    },
    /// A file of certificates or keys cannot be used.
    #[error("{path}")]
    Certificate {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Certificates or keys cannot be used.
    #[error("tls")]
    Tls(#[source] registry::Error),
    /// What receives does not say that it has.
    #[error("no acknowledgement from {0}")]
    Unacknowledged(String),
}

impl Error {
    pub(crate) fn connection(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Connection {
            action: action.into(),
            source,
        }
    }

    /// The error in the words that Go's network has for it.
    pub fn in_words(&self) -> String {
        match self {
            Self::Connection { action, source } => format!("{action}: {}", reason(source)),
            Self::Certificate { path, source } => {
                format!("could not read {path:?}: {}", reason(source))
            }
            Self::Tls(source) => source.to_string(),
            error => error.to_string(),
        }
    }
}

/// The kernel's word in small letters, without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => {
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            words.to_ascii_lowercase()
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Absent(_) => ErrorKind::Unavailable,
            Self::Connection { source, .. } | Self::Certificate { source, .. } => {
                source.kind().into()
            }
            Self::Tls(source) => source.kind(),
            Self::Unacknowledged(_) => ErrorKind::Unavailable,
        }
    }
}
