//! A mount namespace made ahead: its root is a container's, and nothing of the host is in it.
//!
//! A process that joins it is where a new one would be after it had copied the host's mounts, cut
//! them off, attached its root, pivoted into it and let go of the host's. All of that takes the
//! longer the more mounts and threads the host has: it is done once, for a [`bare`] namespace, of
//! which those of containers are copies.

use crate::channel;
use crate::launch::reap;
use crate::plan::Dressing;
use crate::steps;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MoveMountFlags, move_mount};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use sys::clone::Clone;
use sys::mount::{Change, Extent, Propagation, attribute, set_attributes};
use sys::namespace::{Kind, join, unshare};

/// A mount namespace with an empty directory that nobody can write to, and nothing else.
///
/// # Errors
/// If the kernel makes none.
pub fn bare() -> io::Result<OwnedFd> {
    let make = || {
        unshare(Kind::Mount.flag())?;
        let mut dressing = Dressing::default();
        let closed = attribute::NOSUID | attribute::NODEV | attribute::NOEXEC;
        dressing.mount.set = attribute::RDONLY | closed;
        let empty = steps::file_system((c"tmpfs", c"none"), (&[], Some(0o555)), &dressing)?;
        let namespace = open_own(CWD, c"/proc/thread-self/ns/mnt")?;
        become_root(empty.as_fd())?;
        Ok(namespace)
    };
    let thread = std::thread::Builder::new().spawn(make)?;
    let made = thread.join();
    made.unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
}

/// Makes the namespace over a detached root, which is attached in it from then on: a copy of a
/// `bare` one, or else of the caller's. `None` where a container could not mount its procfs in it.
///
/// # Errors
/// The root may have been attached, and cannot be used.
pub(super) fn make(
    root: BorrowedFd<'_>,
    bare: Option<BorrowedFd<'_>>,
) -> io::Result<Option<OwnedFd>> {
    if !sys::namespace::is_first_of_users()? {
        return Ok(None);
    }
    let (ours, theirs) = channel::pair()?;
    let maker = Clone {
        lent: true,
        ..Clone::default()
    };
    let child = maker.spawn(|| {
        let made = match bare {
            Some(bare) => cover(bare, root),
            None => replace(root),
        };
        let sent =
            made.and_then(|made| sys::socket::send(theirs.as_fd(), &[0], Some(made.as_fd())));
        u8::from(sent.is_err())
    })?;
    reap(child.pidfd.as_fd());
    drop(theirs);
    let (_, namespace) = sys::socket::receive(ours.as_fd(), &mut [0])?;
    namespace
        .map(Some)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The child: mounts the root over the empty one, as a system's is over the first of all. Whoever
/// joins a mount namespace is in what is on top.
fn cover(bare: BorrowedFd<'_>, root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::open(c"/proc/self/ns", flags, Mode::empty())?;
    join(bare, Kind::Mount)?;
    unshare(Kind::Mount.flag())?;
    move_to_top(root)?;
    open_own(own.as_fd(), c"mnt")
}

/// The child: makes the root that of a copy of its mount namespace.
fn replace(root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    unshare(Kind::Mount.flag())?;
    let namespace = open_own(CWD, c"/proc/self/ns/mnt")?;
    become_root(root)?;
    Ok(namespace)
}

fn become_root(root: BorrowedFd<'_>) -> io::Result<()> {
    let change = Change {
        propagation: Some(Propagation::Slave),
        ..Change::default()
    };
    set_attributes(CWD, c"/", &change, Extent::Tree)?;
    move_to_top(root)?;
    steps::pivot_into(root).map_err(|fault| io::Error::from_raw_os_error(fault.errno))
}

fn move_to_top(root: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(root, c"", CWD, c"/", flags)?)
}

fn open_own(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?)
}
