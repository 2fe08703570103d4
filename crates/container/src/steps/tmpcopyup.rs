//! Copies what a directory has into the tmpfs that will cover it.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, chownat, mkdirat, openat, readlinkat_raw, sendfile,
    statat, symlinkat,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

/// How deep a tree may be: the recursion is on the child's stack.
const DEPTH: u32 = 64;

/// Copies directories, files, links, modes and owners; other kinds of files are left out.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let from = openat(from, c".", directory(), Mode::empty())?;
    tree(from.as_fd(), to, DEPTH)
}

const fn directory() -> OFlags {
    OFlags::RDONLY
        .union(OFlags::DIRECTORY)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC)
}

fn tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> Result<(), Errno> {
    if depth == 0 {
        return Err(Errno::LOOP);
    }
    let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(from, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        one(from, to, name, depth)?;
    }
    Ok(())
}

fn one(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<(), Errno> {
    let status = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_raw_mode(status.st_mode & 0o7777);
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => {
            mkdirat(to, name, mode)?;
            let below = openat(from, name, directory(), Mode::empty())?;
            let made = openat(to, name, directory(), Mode::empty())?;
            tree(below.as_fd(), made.as_fd(), depth - 1)?;
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let source = openat(from, name, flags, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let copy = openat(to, name, flags, mode)?;
            while sendfile(&copy, &source, None, 1 << 30)? > 0 {}
        }
        FileType::Symlink => {
            let mut target = [MaybeUninit::<u8>::uninit(); 4097];
            let (target, _) = readlinkat_raw(from, name, &mut target[..4096])?;
            let mut text = [0_u8; 4097];
            text[..target.len()].copy_from_slice(target);
            let target = CStr::from_bytes_until_nul(&text).map_err(|_| Errno::INVAL)?;
            symlinkat(target, to, name)?;
        }
        _ => return Ok(()),
    }
    let owner = (
        rustix::fs::Uid::from_raw(status.st_uid),
        rustix::fs::Gid::from_raw(status.st_gid),
    );
    if status.st_uid != 0 || status.st_gid != 0 {
        chownat(
            to,
            name,
            Some(owner.0),
            Some(owner.1),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
    }
    Ok(())
}
