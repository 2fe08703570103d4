//! What changed in a tree, beside it, in the form that overlay gives it.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use crate::copy::{describe, times};

/// Makes the directory `to` in `parent` of the paths of `from` there that are named, a directory
/// before what is in it; what is gone becomes a whiteout.
///
/// Files are other names of the same inodes: nothing of them is copied, and nobody may write to
/// them meanwhile.
pub(crate) fn gather<'a>(
    parent: &OwnedFd,
    (from, to): (&str, &str),
    changed: impl Iterator<Item = (&'a [u8], bool)>,
) -> Result<OwnedFd, Errno> {
    rustix::fs::mkdirat(parent, to, Mode::RWXU)?;
    let from = rustix::fs::openat(parent, from, directory(), Mode::empty())?;
    let to = rustix::fs::openat(parent, to, directory(), Mode::empty())?;
    describe(&rustix::fs::fstat(&from)?, &from, &to)?;
    let mut made = Vec::new();
    for (path, gone) in changed {
        let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&b"."[..], path),
        };
        let name = OsStr::from_bytes(name);
        let target = beneath(&to, above)?;
        if gone {
            let kind = FileType::CharacterDevice;
            rustix::fs::mknodat(&target, name, kind, Mode::empty(), 0)?;
            continue;
        }
        let source = beneath(&from, above)?;
        let stat = rustix::fs::statat(&source, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            rustix::fs::linkat(&source, name, &target, name, AtFlags::empty())?;
            continue;
        }
        rustix::fs::mkdirat(&target, name, Mode::RWXU)?;
        let source = rustix::fs::openat(&source, name, directory(), Mode::empty())?;
        let target = rustix::fs::openat(&target, name, directory(), Mode::empty())?;
        describe(&stat, &source, &target)?;
        made.push((path, times(&stat)));
    }
    // Nothing is made in them any more.
    for (path, times) in made {
        rustix::fs::futimens(beneath(&to, path)?, &times)?;
    }
    Ok(to)
}

fn beneath(tree: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    sys::resolve::open(tree, path, directory(), resolve)
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
