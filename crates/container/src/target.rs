//! Places inside the root: found and made by descriptor, never by a path of the host.
//!
//! A symbolic link inside is followed inside; one that leads out ends at the root; a magic link
//! is never followed. Nothing here allocates.

use crate::fault::{During, Fault};
use crate::plan::Target;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, mkdirat, mknodat, openat2};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Whether symbolic links on the way are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Inside the root.
    Follow,
    /// They make the path an error: what is mounted there must be there.
    Refuse,
}

/// How many times a look-up that raced with a rename or mount is tried.
pub(crate) const TRIES: usize = 128;

/// Opens a path inside the root.
pub(crate) fn open(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    links: Links,
) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    if links == Links::Refuse {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    for _ in 0..TRIES {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens the place as `O_PATH`; what is missing is made: directories, and at last what `last` is.
/// The boolean-like first part of the result says whether the last component was there.
pub(crate) fn place<'a>(
    root: BorrowedFd<'_>,
    target: &'a Target,
    last: FileType,
    links: Links,
) -> Result<(Found, OwnedFd), Fault<'a>> {
    match open(root, &target.path, OFlags::PATH, links) {
        Ok(fd) => Ok((Found::Already, fd)),
        Err(Errno::NOENT) => make(root, target, last, links).map(|fd| (Found::Made, fd)),
        Err(errno) => Err(errno).on("open inside the root", &target.path),
    }
}

/// Whether a place was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was.
    Already,
    /// It was made.
    Made,
}

fn make<'a>(
    root: BorrowedFd<'_>,
    target: &'a Target,
    last: FileType,
    links: Links,
) -> Result<OwnedFd, Fault<'a>> {
    let mut parent: Option<OwnedFd> = None;
    for (i, (name, path)) in target.parts.iter().enumerate() {
        let next = match open(root, path, OFlags::PATH, links) {
            Err(Errno::NOENT) => {
                let kind = if i + 1 == target.parts.len() {
                    last
                } else {
                    FileType::Directory
                };
                let dir = parent.as_ref().map_or(root, AsFd::as_fd);
                one(dir, name, kind).on("make inside the root", path)?
            }
            found => found.on("open inside the root", path)?,
        };
        parent = Some(next);
    }
    parent.ok_or_else(|| Fault::new("make inside the root", b"/", Errno::EXIST))
}

/// Makes one name in a directory and opens it; if it is a link by now, that is an error.
fn one(dir: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Result<OwnedFd, Errno> {
    let made = match kind {
        FileType::Directory => mkdirat(dir, name, Mode::from_raw_mode(0o755)),
        _ => mknodat(
            dir,
            name,
            FileType::RegularFile,
            Mode::from_raw_mode(0o644),
            0,
        ),
    };
    match made {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let mut flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if kind == FileType::Directory {
        flags |= OFlags::DIRECTORY;
    }
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    if made.is_err()
        && FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::Symlink
    {
        return Err(Errno::LOOP);
    }
    Ok(fd)
}
