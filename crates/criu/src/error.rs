//! Why CRIU did not do what it was asked.

use crate::Kind;
use std::io;
use std::process::ExitStatus;

/// Why CRIU did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed, or cannot be executed.
    #[error("start criu")]
    Start(#[source] io::Error),
    /// The socket to it failed.
    #[error("talk to criu")]
    Talk(#[source] io::Error),
    /// Its process cannot be waited for.
    #[error("wait for criu")]
    Wait(#[source] io::Error),
    /// It ended in the middle.
    #[error("criu ended without an answer")]
    Gone,
    /// It said something that is no message.
    #[error("read criu's answer")]
    Unread(#[source] prost::DecodeError),
    /// It answered something else than it was asked.
    #[error("criu answered with {}", .0.as_str_name())]
    Unexpected(Kind),
    /// It could not.
    #[error("criu failed: type {} errno {errno} {message}", kind.as_str_name())]
    Failed {
        /// What it was about.
        kind: Kind,
        /// Its error number.
        errno: i32,
        /// Its words, if any.
        message: String,
    },
    /// It said that it did, and ended badly.
    #[error("criu failed: {0}")]
    Ended(ExitStatus),
}
