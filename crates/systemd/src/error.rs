//! Why something asked of systemd was not done.

use std::io;
use std::path::PathBuf;
use types::{ErrorKind, Kind};

/// Why something asked of systemd was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of a manager's sockets is known: there is no runtime directory.
    #[error("no socket of systemd's user manager is known: XDG_RUNTIME_DIR is not set")]
    NoAddress,
    /// Nobody listens where a manager would.
    #[error("cannot connect to systemd at {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke, or nothing came in time.
    #[error("cannot {action} systemd's bus")]
    Bus {
        /// `write to`, `read from`, `authenticate on`.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A message that does not agree with its own description.
    #[error("a message of systemd's bus has a wrong form")]
    Message(#[source] zbus::Error),
    /// systemd's own refusal.
    #[error("systemd refuses {method}: {message}")]
    Refused {
        /// The method.
        method: &'static str,
        /// The D-Bus error's name.
        name: String,
        /// systemd's words.
        message: String,
    },
    /// A job that did not end as it should.
    #[error("systemd's job for {unit} ended with {result:?}")]
    Job {
        /// The unit.
        unit: String,
        /// systemd's word for it.
        result: String,
    },
    /// A property's text that has no value in it.
    #[error("cannot read {text:?} as the value of systemd's {name}: {reason}")]
    Property {
        /// The property.
        name: String,
        /// Its text.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Error {
    pub(crate) fn bus(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Bus { action, source }
    }

    /// Whether systemd's refusal has this name below `org.freedesktop.systemd1`.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        let Self::Refused { name, .. } = self else {
            return false;
        };
        name.strip_prefix("org.freedesktop.systemd1.") == Some(wanted)
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { source, .. } | Self::Bus { source, .. } => source.kind().into(),
            Self::NoAddress | Self::Message(_) | Self::Job { .. } => ErrorKind::Unavailable,
            Self::Refused { .. } | Self::Property { .. } => ErrorKind::InvalidArgument,
        }
    }
}
