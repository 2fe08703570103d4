//! Waiting for descriptors.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that tasks can wait for.
#[expect(
    deprecated,
    reason = "its successor is unsafe; an owned descriptor keeps its demands"
)]
pub(crate) fn awaited(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, interest)
}
