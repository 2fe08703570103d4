//! Kernel parameters, through a procfs that nobody else has touched.

use super::Setup;
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::plan::Dressing;
use crate::target::{self, Links};
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container().filter(|c| !c.sysctl.is_empty()) else {
        return Ok(());
    };
    let procfs = procfs(setup)?;
    for sysctl in &container.sysctl {
        write(procfs, &sysctl.path, &sysctl.value).on("write", &sysctl.path)?;
    }
    Ok(())
}

/// The container's procfs as we mounted it, or else one that is mounted nowhere.
pub(super) fn procfs<'s, 'a>(setup: &'s mut Setup<'a>) -> Result<BorrowedFd<'s>, Fault<'a>> {
    if !Guard::Procfs.holds() {
        let found = target::open(setup.root()?, c"proc", OFlags::PATH, Links::Follow);
        setup.procfs = Some(found.on("open", c"proc")?);
    } else if setup.procfs.is_none() {
        let made =
            super::mounts::file_system((c"proc", c"proc"), (&[], None), &Dressing::default());
        setup.procfs = Some(made.during("make a procfs")?);
    }
    let missing = || Fault::new("use the procfs", b"", Errno::BADF);
    setup.procfs.as_ref().map(AsFd::as_fd).ok_or_else(missing)
}

/// Writes a file of procfs that is exactly there: no link, no other mount on the way, except
/// for `self`, which is procfs' own link.
pub(super) fn write(procfs: BorrowedFd<'_>, path: &CStr, value: &[u8]) -> Result<(), Errno> {
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    let mut flags = OFlags::WRONLY | OFlags::NOFOLLOW;
    if !Guard::Procfs.holds() {
        resolve = ResolveFlags::empty();
        flags.remove(OFlags::NOFOLLOW);
    }
    let file: OwnedFd = sys::resolve::open(procfs, path, flags, resolve)?;
    match rustix::io::write(&file, value)? {
        written if written == value.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}
