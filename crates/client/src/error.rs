//! Why a request failed.

use crate::Host;
use http::StatusCode;
use std::io;
use types::{ErrorKind, Kind};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("cannot connect to {host}")]
    Connect {
        /// Where.
        host: Host,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke, or what came over it is no HTTP.
    #[error("{target}: the connection to the daemon failed")]
    Transport {
        /// Method and path.
        target: String,
        /// Why.
        source: hyper::Error,
    },
    /// The path and query are no URI, or a header is none.
    #[error("{target} is no valid request")]
    Request {
        /// Method and path.
        target: String,
        /// Why.
        source: http::Error,
    },
    /// The daemon said no.
    #[error("{message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its words.
        message: String,
    },
    /// An answer could not be read to its end.
    #[error("{target}: the answer broke off: {reason}")]
    Body {
        /// Method and path.
        target: String,
        /// Why.
        reason: String,
    },
    /// An answer is not the document that was expected.
    #[error("{target}: the answer has an unexpected form")]
    Decode {
        /// Method and path.
        target: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request's document cannot be written.
    #[error("{target}: the request cannot be written")]
    Encode {
        /// Method and path.
        target: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The daemon answered where it should have handed over the connection.
    #[error("{target}: the daemon did not hand over the connection (status {status})")]
    NotHandedOver {
        /// Method and path.
        target: String,
        /// Its status.
        status: StatusCode,
    },
}

impl Error {
    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the daemon says that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether there is no daemon: nobody listens, or there is no socket.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        ))
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { source, .. } => source.kind().into(),
            Self::Transport { .. } => ErrorKind::Unavailable,
            Self::Request { .. } | Self::Encode { .. } => ErrorKind::InvalidArgument,
            Self::Body { .. } | Self::Decode { .. } => ErrorKind::DataLoss,
            Self::NotHandedOver { .. } => ErrorKind::Unsupported,
            Self::Refused { status, .. } => match *status {
                StatusCode::BAD_REQUEST => ErrorKind::InvalidArgument,
                StatusCode::UNAUTHORIZED => ErrorKind::Unauthenticated,
                StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
                StatusCode::NOT_FOUND => ErrorKind::NotFound,
                StatusCode::CONFLICT => ErrorKind::Conflict,
                StatusCode::NOT_MODIFIED => ErrorKind::NotModified,
                StatusCode::NOT_IMPLEMENTED => ErrorKind::Unsupported,
                StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
        }
    }
}
