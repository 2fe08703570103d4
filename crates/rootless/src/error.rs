//! Why there is no daemon without root.

use std::io;
use std::path::PathBuf;

/// Why a user's namespaces cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user has no ids to give to containers.
    #[error(
        "no subordinate ids for {user} in {file}: containers get them. Add a line as \
         `{user}:100000:65536`, by root"
    )]
    NoIds {
        /// The user, by name or number.
        user: String,
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
    },
    /// The kernel or the host's settings do not let users make namespaces.
    #[error(
        "cannot make a user namespace: see user.max_user_namespaces and kernel.unprivileged_userns_clone"
    )]
    Forbidden {
        /// The kernel's word.
        source: io::Error,
    },
    /// Something else did not work.
    #[error("cannot {action}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The holder refused.
    #[error("{} refused: {reason}", .executable.display())]
    Refused {
        /// The holder's executable.
        executable: PathBuf,
        /// In its words.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            source: source.into(),
        }
    }
}
