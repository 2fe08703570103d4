//! Processes that stand beside a daemon and outlive it: how they are started, found by the next
//! daemon, and spoken to.
//!
//! It knows a folder with a socket, and packets of JSON with descriptors. It must not know what
//! any of them does. Read first: [`start`], [`reach`], [`main`].

mod daemon;
pub mod packets;
mod process;

pub use daemon::{is_absent, reach, start};
pub use process::{Post, leave, main};

/// The socket's name in the folder.
const SOCKET: &str = "socket";
