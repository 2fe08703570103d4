//! The closed set of reasons why an operation can fail.

use std::{fmt, io};

/// Why an operation failed, in the words that every edge translates to its own codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The object named does not exist.
    NotFound,
    /// An object of that name exists.
    AlreadyExists,
    /// The object's state does not allow this.
    Conflict,
    /// The caller's words are wrong.
    InvalidArgument,
    /// What was asked for is so already.
    NotModified,
    /// The caller or the daemon may not.
    PermissionDenied,
    /// The caller did not say who it is, or a registry did not believe it.
    Unauthenticated,
    /// Something outside does not answer; trying again may help.
    Unavailable,
    /// Memory, disk, descriptors or a configured bound ran out.
    ResourceExhausted,
    /// It did not happen in time.
    DeadlineExceeded,
    /// The caller went away or took the request back.
    Cancelled,
    /// This kernel, build or configuration cannot do that.
    Unsupported,
    /// Bytes do not match their digest, or state on disk is damaged.
    DataLoss,
    /// A fault of corten's own.
    Internal,
}

/// Implemented by every error enum: which [`ErrorKind`] it is, and of which object it speaks.
pub trait Kind {
    /// The kind, for an edge's status code.
    fn kind(&self) -> ErrorKind;

    /// The object that the error is about, so that an edge can phrase it in its clients' words.
    fn resource(&self) -> Option<Resource> {
        None
    }
}

/// An object named by a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is, in the field's term: `container`, `image`, `exec`, `network`, `volume`.
    pub kind: &'static str,
    /// Its name, as the caller gave it.
    pub name: String,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl From<io::ErrorKind> for ErrorKind {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied
            }
            io::ErrorKind::InvalidInput => Self::InvalidArgument,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::OutOfMemory
            | io::ErrorKind::FileTooLarge => Self::ResourceExhausted,
            io::ErrorKind::TimedOut => Self::DeadlineExceeded,
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Self::Unavailable,
            io::ErrorKind::Unsupported => Self::Unsupported,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::DataLoss,
            _ => Self::Internal,
        }
    }
}
