//! Joins a running container's namespaces, and checks that its root is theirs.

use super::Setup;
use crate::fault::{Class, During, Fault};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use sys::namespace::{self, Kind};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(join) = &setup.plan.join else {
        return Ok(());
    };
    // The pid namespace is there since the clone, and with a stage all are.
    let kinds = join.kinds & !Kind::Pid.flag() & !setup.joined;
    if kinds != 0 {
        namespace::join_process(join.pidfd, kinds).during("join the container's namespaces")?;
    }
    let theirs = place(join.root.as_fd(), c"").during("look at the container's root")?;
    let ours = place(CWD, c"/").during("look at the root after joining")?;
    if theirs != ours {
        return Err(Fault::new("join", join.pid.to_bytes(), Errno::XDEV).with(Class::ForeignRoot));
    }
    Ok(())
}

/// Which mount and inode a path is.
fn place(dir: BorrowedFd<'_>, path: &CStr) -> Result<(u64, u64, u32, u32), Errno> {
    let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
    let found = statx(dir, path, AtFlags::EMPTY_PATH, wanted)?;
    Ok((
        found.stx_mnt_id,
        found.stx_ino,
        found.stx_dev_major,
        found.stx_dev_minor,
    ))
}
