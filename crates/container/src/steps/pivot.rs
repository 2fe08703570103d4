//! Enters the root, and lets go of the host's.

use super::Setup;
use super::mounts::{file_system, move_to};
use crate::fault::{During, Fault};
use crate::plan::{Dressing, Enter};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use sys::mount::{Change, attribute, set_attributes};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    match &container.enter {
        Enter::Pivot => pivot_into(setup.root()?)?,
        Enter::Joined => rustix::process::fchdir(setup.root()?).during("enter the root")?,
        Enter::Move(covered) => move_over(setup, (covered, &container.root.at))?,
        Enter::Change(_) => change(setup)?,
    }
    if let Some((propagation, extent)) = container.root.propagation {
        let change = Change {
            propagation: Some(propagation),
            ..Change::default()
        };
        set_attributes(CWD, c"/", &change, extent).during("set linux.rootfsPropagation")?;
    }
    Ok(())
}

/// Makes an attached root that of the mount namespace, and lets go of what was.
pub(crate) fn pivot_into(root: BorrowedFd<'_>) -> Result<(), Fault<'static>> {
    rustix::process::fchdir(root).during("enter the root")?;
    // With both the same, the old root is on top of the new one: the unmount takes it away.
    rustix::process::pivot_root(c".", c".").during("pivot into the root")?;
    unmount(c".", UnmountFlags::DETACH).during("unmount the host's root")
}

fn move_over<'a>(
    setup: &Setup<'a>,
    (covered, at): (&'a [CString], &'a CStr),
) -> Result<(), Fault<'a>> {
    for path in covered {
        match unmount(&**path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // One that another was mounted in went with that.
            Ok(()) | Err(Errno::NOENT) => {}
            // One that is locked stays, out of sight.
            Err(Errno::INVAL | Errno::PERM) => cover(path).on("cover", path)?,
            Err(errno) => return Err(errno).on("unmount", path),
        }
    }
    if at != c"/" {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(setup.root()?, c"", CWD, c"/", flags).during("move the root over the host's")?;
    }
    change(setup)
}

fn cover(path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    let mut dressing = Dressing::default();
    dressing.mount.set = attribute::RDONLY;
    let empty = file_system((c"tmpfs", c"tmpfs"), (&[], None), &dressing)?;
    move_to(empty.as_fd(), place.as_fd())
}

fn change<'a>(setup: &Setup<'a>) -> Result<(), Fault<'a>> {
    rustix::process::fchdir(setup.root()?).during("enter the root")?;
    rustix::process::chroot(c".").during("change the root")?;
    rustix::process::chdir(c"/").during("enter the root")
}
