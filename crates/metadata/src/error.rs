//! Why the database could not do as asked.

use std::io;
use std::path::{Path, PathBuf};
use types::{ErrorKind, Kind};

/// Why the database could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be created, locked or read as a database.
    #[error("cannot open database {}", path.display())]
    Open {
        /// The database's file.
        path: PathBuf,
        /// What the store said.
        source: Box<redb::Error>,
    },
    /// Another process holds the file.
    #[error("database {} is in use by another daemon", path.display())]
    InUse {
        /// The database's file.
        path: PathBuf,
    },
    /// A newer corten wrote the file.
    #[error(
        "database {} has version {found}, this corten knows versions up to {known}: \
         use a newer corten",
        path.display()
    )]
    Newer {
        /// The database's file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is a database of something else.
    #[error("database {} has no version record: it is not corten's", path.display())]
    Foreign {
        /// The database's file.
        path: PathBuf,
    },
    /// A file of the database could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The tables' file, or the log's.
        path: PathBuf,
        /// What the store said.
        source: Box<redb::Error>,
    },
    /// A read or write of a table failed.
    #[error("cannot {action} {table}")]
    Store {
        /// What was attempted.
        action: &'static str,
        /// On which table.
        table: &'static str,
        /// What the store said.
        source: Box<redb::Error>,
    },
    /// A stored value is not what its version promises.
    #[error("record {key} of {table} is damaged")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A newer corten wrote the record.
    #[error("record {key} of {table} has version {found}, this corten knows up to {known}")]
    RecordVersion {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: String,
        /// The version stored.
        found: u16,
        /// The newest version known here.
        known: u16,
    },
    /// A value could not be encoded.
    #[error("cannot encode a record of {table}")]
    Encode {
        /// The table.
        table: &'static str,
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// The commit that this one was grouped with failed.
    #[error("{reason}")]
    Grouped {
        /// Which kind of failure that was.
        kind: ErrorKind,
        /// What the commit's leader was told.
        reason: String,
    },
}

impl Error {
    /// The commit was under way on a task that was ended.
    pub fn interrupted(cause: impl std::fmt::Display) -> Self {
        Self::Grouped {
            kind: ErrorKind::Internal,
            reason: cause.to_string(),
        }
    }

    pub(crate) fn file<E: Into<redb::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::File {
            action,
            path: path.to_owned(),
            source: Box::new(source.into()),
        }
    }

    pub(crate) fn store<E: Into<redb::Error>>(
        action: &'static str,
        table: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Store {
            action,
            table,
            source: Box::new(source.into()),
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } | Self::File { source, .. } | Self::Store { source, .. } => {
                match &**source {
                    redb::Error::Io(io) => io.kind().into(),
                    redb::Error::Corrupted(_) => ErrorKind::DataLoss,
                    redb::Error::ValueTooLarge(_) => ErrorKind::ResourceExhausted,
                    _ => ErrorKind::Internal,
                }
            }
            Self::InUse { .. } => ErrorKind::Conflict,
            Self::Newer { .. } | Self::RecordVersion { .. } => ErrorKind::Unsupported,
            Self::Foreign { .. } => ErrorKind::InvalidArgument,
            Self::Damaged { .. } => ErrorKind::DataLoss,
            Self::Grouped { kind, .. } => *kind,
            Self::Encode { .. } => ErrorKind::Internal,
        }
    }
}
