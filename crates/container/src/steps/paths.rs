//! Paths that the container sees read-only, or not at all.

use super::Setup;
use super::mounts::{file_system, move_to};
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::plan::Dressing;
use crate::target::{self, Links};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Change, Extent, attribute, set_attributes};

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_EMPTY_PATH);

/// Each is covered by itself, read-only; those that are not there are passed over.
pub(super) fn readonly<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    let change = Change {
        set: attribute::RDONLY,
        ..Change::default()
    };
    for path in &container.readonly {
        let Some(place) = find(setup.root()?, path)? else {
            continue;
        };
        let tree = open_tree(&place, c"", CLONE | OpenTreeFlags::AT_RECURSIVE)
            .on("clone read-only path", path)?;
        set_attributes(tree.as_fd(), c"", &change, Extent::Tree).on("make read-only", path)?;
        move_to(tree.as_fd(), place.as_fd()).on("attach read-only path", path)?;
    }
    Ok(())
}

/// Files are covered by the host's `/dev/null`, whose mode and owner cannot be changed by that,
/// directories by an empty read-only tmpfs.
pub(super) fn masked<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container().filter(|c| !c.masked.is_empty()) else {
        return Ok(());
    };
    let cloned;
    let tree = match &container.null {
        Some(tree) => tree,
        None => {
            let null = null(setup.root()?)?;
            cloned = open_tree(&null, c"", CLONE).during("clone the null device")?;
            &cloned
        }
    };
    seal_device(tree.as_fd()).during("seal the null device")?;
    let mut null = Cover::Detached(tree.as_fd());
    let mut empty: Option<OwnedFd> = None;
    for path in &container.masked {
        let Some(place) = find(setup.root()?, path)? else {
            continue;
        };
        let mode = rustix::fs::fstat(&place).on("look at", path)?.st_mode;
        // Not by trying: closing a detached mount again waits for an RCU grace period.
        if FileType::from_raw_mode(mode) == FileType::Directory {
            directory(&mut empty, &container.cover, place.as_fd()).on("mask", path)?;
        } else {
            null.put(place.as_fd()).on("mask", path)?;
        }
    }
    Ok(())
}

/// A device is written to all the same; what changes its node is refused.
fn seal_device(tree: BorrowedFd<'_>) -> std::io::Result<()> {
    let change = Change {
        set: attribute::RDONLY | attribute::NOSUID | attribute::NOEXEC,
        ..Change::default()
    };
    set_attributes(tree, c"", &change, Extent::Mount)
}

/// What files are covered by.
enum Cover<'a> {
    /// A mount that is nowhere yet: it is the first, and others are clones of it.
    Detached(BorrowedFd<'a>),
    /// Something that clones of its mount can be made of.
    Attached(BorrowedFd<'a>),
}

impl Cover<'_> {
    fn put(&mut self, place: BorrowedFd<'_>) -> Result<(), Errno> {
        match *self {
            Self::Detached(tree) => {
                move_to(tree, place)?;
                *self = Self::Attached(tree);
                Ok(())
            }
            Self::Attached(source) => move_to(open_tree(source, c"", CLONE)?.as_fd(), place),
        }
    }
}

fn find<'a>(root: BorrowedFd<'_>, path: &'a CStr) -> Result<Option<OwnedFd>, Fault<'a>> {
    match target::open(root, path, OFlags::PATH, Links::Follow) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno).on("open inside the root", path),
    }
}

/// The null device of the host, which it must be: whatever covers a path can be read there.
fn null<'a>(root: BorrowedFd<'_>) -> Result<OwnedFd, Fault<'a>> {
    const PATH: &CStr = c"/dev/null";
    if !Guard::NullDevice.holds() {
        return target::open(root, c"dev/null", OFlags::PATH, Links::Follow).on("open", PATH);
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let null = rustix::fs::open(PATH, flags, Mode::empty()).on("open", PATH)?;
    let found = rustix::fs::fstat(&null).on("look at", PATH)?;
    let device = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
    if !device || found.st_rdev != sys::device::number(1, 3) {
        return Err(Errno::NODEV).on("find the null device at", PATH);
    }
    Ok(null)
}

/// The first one is mounted, the others are clones of it.
fn directory(
    empty: &mut Option<OwnedFd>,
    data: &[(CString, Option<CString>)],
    place: BorrowedFd<'_>,
) -> Result<(), Errno> {
    if let Some(empty) = empty {
        let cover = open_tree(empty.as_fd(), c"", CLONE)?;
        return move_to(cover.as_fd(), place);
    }
    let mut dressing = Dressing::default();
    dressing.mount.set =
        attribute::RDONLY | attribute::NOSUID | attribute::NODEV | attribute::NOEXEC;
    let cover = file_system((c"tmpfs", c"tmpfs"), (data, None), &dressing)?;
    move_to(cover.as_fd(), place)?;
    *empty = Some(cover);
    Ok(())
}
