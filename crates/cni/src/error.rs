//! Why an operation on a network failed.

use crate::Version;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};
use types::{ErrorKind, Kind};

/// A plugin's error code: those of the specification, and from 100 on the plugin's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// The plugin does not speak the configuration's version.
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    /// A field of the configuration is not supported; the message names it.
    pub const UNSUPPORTED_FIELD: Self = Self(2);
    /// The container is unknown or gone; nothing has to be cleaned up.
    pub const UNKNOWN_CONTAINER: Self = Self(3);
    /// A variable of the environment is wrong; the message names it.
    pub const INVALID_ENVIRONMENT: Self = Self(4);
    /// Something could not be read or written.
    pub const IO: Self = Self(5);
    /// A document could not be decoded.
    pub const DECODING: Self = Self(6);
    /// The configuration is wrong.
    pub const INVALID_CONFIG: Self = Self(7);
    /// A condition that passes: later it may work.
    pub const TRY_AGAIN: Self = Self(11);
    /// `STATUS`: no container can be added.
    pub const NOT_AVAILABLE: Self = Self(50);
    /// `STATUS`: neither, and those that are there may have lost the network.
    pub const LIMITED: Self = Self(51);
    /// What plugins give that have no code for it.
    pub const INTERNAL: Self = Self(999);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an operation on a network failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration is wrong.
    #[error("network configuration {origin}: {reason}")]
    Config {
        /// The file, or the network's name.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An attachment's part cannot be given to plugins.
    #[error("{field} {value:?} {reason}")]
    Attachment {
        /// The part.
        field: &'static str,
        /// What was given.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// No such executable.
    #[error("there is no network plugin {plugin:?} in {searched}")]
    NoPlugin {
        /// Its type.
        plugin: String,
        /// Where it was looked for.
        searched: String,
    },
    /// Not every plugin speaks one of the configuration's versions.
    #[error(
        "network plugin {plugin} speaks none of the CNI versions {wanted} of network {network}"
    )]
    Version {
        /// Its type.
        plugin: String,
        /// The network.
        network: String,
        /// The configuration's versions.
        wanted: String,
    },
    /// The configuration's version has no such operation.
    #[error("network {network} has CNI version {version}, which has no {command}")]
    NoSuchOperation {
        /// The network.
        network: String,
        /// Its version.
        version: Version,
        /// The operation.
        command: &'static str,
    },
    /// A plugin said no.
    #[error("network plugin {plugin} failed to {command} (code {code}): {message}")]
    Plugin {
        /// Its type.
        plugin: String,
        /// The operation.
        command: &'static str,
        /// Its code.
        code: Code,
        /// Its words, and details if it gave any.
        message: String,
    },
    /// A plugin did not keep to the protocol.
    #[error("network plugin {plugin} broke the protocol at {command}: {reason}")]
    Protocol {
        /// Its type.
        plugin: String,
        /// The operation.
        command: &'static str,
        /// What it did.
        reason: String,
    },
    /// A plugin did not end in time and was killed.
    #[error("network plugin {plugin} was killed: {command} had not ended after {} s", limit.as_secs_f64())]
    Timeout {
        /// Its type.
        plugin: String,
        /// The operation.
        command: &'static str,
        /// How long it was given.
        limit: Duration,
    },
    /// A file, directory or process could not be made or read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The table of what is done in process could not be restored.
    #[error("the firewall's table of networks is not restored: {0}")]
    Firewall(String),
    /// Some parts of an operation that goes on after failures failed.
    #[error("{}", join(.0))]
    Several(Vec<Error>),
    /// An addition failed, and so did a deletion that was to undo it.
    #[error("{cause}; and undoing it: {}", join(left))]
    NotUndone {
        /// Why the addition failed.
        cause: Box<Error>,
        /// Why the deletions failed.
        left: Vec<Error>,
    },
}

fn join(errors: &[Error]) -> String {
    let texts: Vec<_> = errors.iter().map(in_full).collect();
    texts.join("; ")
}

/// An error with its sources.
fn in_full(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Error {
    /// `fs::read(path).map_err(Error::io("read", path))?`
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// The plugin's code, if it is a plugin's word.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Plugin { code, .. } => Some(*code),
            Self::NotUndone { cause, .. } => cause.code(),
            Self::Several(errors) => errors.first().and_then(Self::code),
            _ => None,
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::Attachment { .. } => ErrorKind::InvalidArgument,
            Self::NoPlugin { .. } => ErrorKind::NotFound,
            Self::Version { .. } | Self::NoSuchOperation { .. } => ErrorKind::Unsupported,
            Self::Plugin { code, .. } => match *code {
                Code::INCOMPATIBLE_VERSION | Code::UNSUPPORTED_FIELD => ErrorKind::Unsupported,
                Code::UNKNOWN_CONTAINER => ErrorKind::NotFound,
                Code::INVALID_ENVIRONMENT | Code::INVALID_CONFIG => ErrorKind::InvalidArgument,
                Code::TRY_AGAIN | Code::NOT_AVAILABLE | Code::LIMITED => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
            Self::Protocol { .. } | Self::Firewall(_) => ErrorKind::Internal,
            Self::Timeout { .. } => ErrorKind::DeadlineExceeded,
            Self::Io { source, .. } => source.kind().into(),
            Self::Several(errors) => errors.first().map_or(ErrorKind::Internal, Self::kind),
            Self::NotUndone { cause, .. } => cause.kind(),
        }
    }
}
