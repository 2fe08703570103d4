//! What a daemon and the holder say to each other: packets of JSON, with descriptors.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The version of these. Both ends are of one installation; another is refused.
pub(crate) const VERSION: u32 = 1;

/// What a daemon asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// The first: are there namespaces?
    Hello { version: u32 },
    /// Keep this process' namespaces. It has just made them, or else they were kept before by a
    /// holder that was killed.
    Hold { pid: u32, new: bool },
    /// Take a port of the host's.
    Take {
        /// As in `net::Protocol`.
        protocol: u8,
        host: IpAddr,
        port: u16,
    },
}

/// What the holder answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// There are none yet.
    Nothing,
    /// They come along, in the order in which they are joined.
    Namespaces(Way),
    /// The port's socket comes along.
    Taken,
    /// The port is not to be had: the system's number of the reason.
    NotTaken { errno: i32 },
    /// It does not work.
    Refused { reason: String },
}

/// How the namespaces' network is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// By `pasta` or `slirp4netns`.
    pub(crate) program: Option<String>,
    /// Why not, if by none.
    pub(crate) reason: String,
}
