//! Standard streams that lead to the host's null device lead to the container's own.
//!
//! Nothing then holds a mount of the host, who has a stream cannot change the mode or the owner of
//! the host's device by it (fchmod(2)), and CRIU can write the process down.

use super::Setup;
use super::mounts::file_system;
use crate::fault::Fault;
use crate::plan::Dressing;
use crate::target::{self, Links};
use rustix::fs::{FileType, Mode, OFlags, fstat, mknodat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let streams = [0, 1, 2];
    let leads_to_null = |number: &i32| sys::fds::borrow(*number).is_some_and(is_null);
    let mut streams = streams.into_iter().filter(leads_to_null).peekable();
    if streams.peek().is_none() {
        return Ok(());
    }
    // A further process is in the container's root already.
    let joined;
    let root = match setup.container() {
        Some(container) if container.own_dev => setup.root()?,
        Some(_) => return Ok(()),
        None => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(root) = rustix::fs::open(c"/", flags, Mode::empty()) else {
                return Ok(());
            };
            joined = root;
            joined.as_fd()
        }
    };
    // Who may make none, as in a user namespace, cannot change the host's either.
    let Some(null) = own(root).or_else(|| made().ok()) else {
        return Ok(());
    };
    for number in streams {
        drop(sys::fds::duplicate_to(null.as_fd(), number));
    }
    Ok(())
}

/// The container's, if it has one and it can be opened.
fn own(root: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let own = target::open(root, c"dev/null", flags, Links::Refuse);
    own.ok().filter(|own| is_null(own))
}

/// One that is nobody else's, in a file system that is mounted nowhere.
fn made() -> Result<OwnedFd, Errno> {
    const NAME: &std::ffi::CStr = c"null";
    let place = file_system((c"tmpfs", c"tmpfs"), (&[], None), &Dressing::default())?;
    let (mode, number) = (Mode::from_raw_mode(0o666), sys::device::number(1, 3));
    mknodat(&place, NAME, FileType::CharacterDevice, mode, number)?;
    rustix::fs::openat(&place, NAME, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

fn is_null(fd: impl AsFd) -> bool {
    fstat(fd).is_ok_and(|found| {
        let kind = FileType::from_raw_mode(found.st_mode);
        kind == FileType::CharacterDevice && found.st_rdev == sys::device::number(1, 3)
    })
}
