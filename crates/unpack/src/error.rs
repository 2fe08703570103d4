//! Why an input was not unpacked.

use oci::image::DocumentError;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use types::{ErrorKind, Kind};

/// The worker's own words about an input that it did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A size goes beyond its cap.
    #[error("{entry}: {what} is more than the limit of {limit}")]
    Limit {
        /// The entry, or `stream`.
        entry: String,
        /// The size in words.
        what: String,
        /// The cap.
        limit: u64,
    },
    /// An entry cannot be applied.
    #[error("{entry}: {reason}")]
    Entry {
        /// The entry's name.
        entry: String,
        /// Why it cannot.
        reason: String,
    },
    /// A member's name leads out of the directory that is filled.
    #[error("invalid entry name {entry:?}")]
    Escapes {
        /// The entry's name.
        entry: String,
    },
    /// A directory is where something else should go, or something else where a directory should.
    #[error("cannot overwrite {}directory {entry:?} with {}directory {dir:?}",
        if *.directory { "" } else { "non-" }, if *.directory { "non-" } else { "" })]
    Occupied {
        /// The entry's name.
        entry: String,
        /// The directory that is filled.
        dir: String,
        /// What is there is a directory.
        directory: bool,
    },
    /// It is neither a manifest nor an index.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The stream is damaged or no archive.
    #[error("damaged archive: {0}")]
    Damaged(String),
    /// The machine failed: reading, writing, memory.
    #[error("{attempt}: {reason}")]
    Machine {
        /// What was attempted.
        attempt: String,
        /// The system's words.
        reason: String,
        /// Whether the disk is full.
        full: bool,
    },
}

/// Why unpacking failed, for the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker was not started.
    #[error("start {}", .exe.display())]
    Start {
        /// The worker's executable.
        exe: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The worker ended without an answer that this version reads.
    #[error("{} ended without an answer: {detail}", .exe.display())]
    Worker {
        /// The worker's executable.
        exe: PathBuf,
        /// How it ended and what it said.
        detail: String,
    },
    /// The worker refused the input.
    #[error("unpack")]
    Refused(#[from] Refusal),
    /// The machine failed the worker, as when the output's disk is full.
    #[error("unpack into {}", .output.display())]
    Output {
        /// What was being written, or the directory of what has no name.
        output: PathBuf,
        /// The worker's words.
        source: Box<Refusal>,
    },
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Start { source, .. } => of_io(source),
            Self::Worker { .. } => ErrorKind::Internal,
            Self::Refused(refusal) => refusal.kind(),
            Self::Output { source, .. } => source.kind(),
        }
    }
}

impl Kind for Refusal {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Limit { .. } | Self::Machine { full: true, .. } => ErrorKind::ResourceExhausted,
            Self::Entry { .. }
            | Self::Escapes { .. }
            | Self::Occupied { .. }
            | Self::Document(_)
            | Self::Damaged(_) => ErrorKind::InvalidArgument,
            Self::Machine { .. } => ErrorKind::Internal,
        }
    }
}

fn of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::ResourceExhausted,
        _ => ErrorKind::Internal,
    }
}
