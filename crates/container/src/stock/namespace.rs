//! A mount namespace made ahead: its root is a container's, and nothing of the host is in it.
//!
//! A process that joins it is where a new one would be after it had copied the host's mounts, cut
//! them off, attached its root, pivoted into it and let go of the host's.

use crate::channel;
use crate::launch::reap;
use crate::steps;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MoveMountFlags, move_mount};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use sys::clone::Clone;
use sys::mount::{Change, Extent, Propagation, set_attributes};
use sys::namespace::Kind;

/// Makes the namespace over a detached root, which is attached in it from then on. `None` where a
/// container could not mount its procfs in it.
///
/// # Errors
/// The root may have been attached, and cannot be used.
pub(super) fn make(root: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    if !sys::namespace::is_first_of_users()? {
        return Ok(None);
    }
    let (ours, theirs) = channel::pair()?;
    let maker = Clone {
        namespaces: Kind::Mount.flag(),
        lent: true,
        ..Clone::default()
    };
    let child = maker.spawn(|| u8::from(enter(root, theirs.as_fd()).is_err()))?;
    reap(child.pidfd.as_fd());
    drop(theirs);
    let (_, namespace) = sys::socket::receive(ours.as_fd(), &mut [0])?;
    namespace
        .map(Some)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The child: makes the root that of its mount namespace, and hands that over.
fn enter(root: BorrowedFd<'_>, parent: BorrowedFd<'_>) -> io::Result<()> {
    let change = Change {
        propagation: Some(Propagation::Slave),
        ..Change::default()
    };
    set_attributes(CWD, c"/", &change, Extent::Tree)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace = rustix::fs::open(c"/proc/self/ns/mnt", flags, Mode::empty())?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(root, c"", CWD, c"/", flags)?;
    steps::pivot_into(root).map_err(|fault| io::Error::from_raw_os_error(fault.errno))?;
    sys::socket::send(parent, &[0], Some(namespace.as_fd()))
}
