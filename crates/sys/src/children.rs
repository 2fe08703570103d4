//! Learning by descriptor that a child has ended.

use rustix::fd::OwnedFd;
use std::io;

/// Blocks `SIGCHLD` and gives a descriptor, close-on-exec and not blocking, that can be read
/// when a child has ended. Each read of 128 bytes is one report; reports are merged.
pub fn watch() -> io::Result<OwnedFd> {
    crate::signal::catch(&[libc::SIGCHLD])
}
