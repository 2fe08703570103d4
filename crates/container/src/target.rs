//! Places inside the root: found and made by descriptor, never by a path of the host.
//!
//! A symbolic link inside is followed inside, also one that leads to nothing yet; one that leads
//! out ends at the root; a magic link is never followed. Nothing here allocates.

use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::plan::Target;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, mkdirat, mknodat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

mod walk;

/// Whether symbolic links on the way are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Inside the root.
    Follow,
    /// They make the path an error: what is mounted there must be there.
    Refuse,
}

/// Opens a path inside the root.
pub(crate) fn open(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    links: Links,
) -> Result<OwnedFd, Errno> {
    sys::resolve::open(root, path, flags, resolution(links))
}

fn resolution(links: Links) -> ResolveFlags {
    let mut resolve = ResolveFlags::empty();
    resolve.set(ResolveFlags::IN_ROOT, Guard::Root.holds());
    resolve.set(ResolveFlags::NO_MAGICLINKS, Guard::MagicLinks.holds());
    let refuse = links == Links::Refuse && Guard::Links.holds();
    resolve.set(ResolveFlags::NO_SYMLINKS, refuse);
    resolve
}

/// Opens the place as `O_PATH`; what is missing is made: directories, and at last what `last` is.
/// The first part of the result says whether the last component was there.
pub(crate) fn place<'a>(
    root: BorrowedFd<'_>,
    target: &'a Target,
    last: FileType,
    links: Links,
) -> Result<(Found, OwnedFd), Fault<'a>> {
    let mut flags = OFlags::PATH;
    if links == Links::Refuse {
        flags |= OFlags::DIRECTORY;
    }
    match open(root, &target.path, flags, links) {
        Ok(fd) => Ok((Found::Already, fd)),
        Err(Errno::NOENT) => make_missing(root, target, last, links).map(|fd| (Found::Made, fd)),
        Err(errno) => Err(errno).on("open inside the root", &target.path),
    }
}

/// Makes what is missing of a path that was not there, and opens it as `O_PATH`.
pub(crate) fn make_missing<'a>(
    root: BorrowedFd<'_>,
    target: &'a Target,
    last: FileType,
    links: Links,
) -> Result<OwnedFd, Fault<'a>> {
    // Mostly the last part alone is missing; a link there is walked by name.
    if let [.., (_, above), (name, _)] = &*target.parts
        && let Ok(dir) = open(root, above, OFlags::PATH | OFlags::DIRECTORY, links)
        && make(dir.as_fd(), name, last).is_ok()
        && let Ok(made) = open(dir.as_fd(), name, OFlags::PATH, Links::Refuse)
    {
        return Ok(made);
    }
    walk::make_missing(root, &target.path, last, links).on("make inside the root", &target.path)
}

/// Whether a place was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was.
    Already,
    /// It was made.
    Made,
}

/// Makes one name in a directory; it is no fault if somebody else just did.
fn make(dir: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Result<(), Errno> {
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
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}
