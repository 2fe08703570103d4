//! A root mounted ahead.

use super::namespace;
use crate::rootfs::{self, Mounted};
use rustix::fs::{StatxFlags, StatxTimestamp};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use types::Rootfs;

/// An overlay that nobody has seen anything of.
#[derive(Debug)]
pub(crate) struct Root {
    rootfs: Rootfs,
    mounted: Mounted,
    upper: Version,
    /// The mount namespace of which it is the root; none: it is mounted nowhere.
    namespace: Option<OwnedFd>,
}

impl Root {
    /// Mounts it, by mounts of its layers, in a copy of a `bare` namespace, if there is one; what
    /// is no overlay with a writable part is not mounted.
    pub(super) fn mount(rootfs: Rootfs, by: &Rootfs, bare: Option<BorrowedFd<'_>>) -> Option<Self> {
        let Rootfs::Layers {
            lower,
            writable: Some(writable),
        } = by
        else {
            return None;
        };
        let mounted = rootfs::mount(lower, Some(writable), None).ok()?;
        let upper = Version::of(&writable.upper)?;
        let namespace = namespace::make(mounted.tree.as_fd(), bare).ok()?;
        Some(Self {
            rootfs,
            mounted,
            upper,
            namespace,
        })
    }

    /// Whether it is this root, and nothing was written below the overlay since it is mounted.
    pub(super) fn is(&self, rootfs: &Rootfs) -> bool {
        let Rootfs::Layers {
            writable: Some(writable),
            ..
        } = rootfs
        else {
            return false;
        };
        self.rootfs == *rootfs && Version::of(&writable.upper).as_ref() == Some(&self.upper)
    }

    /// The mount namespace of which it is the root.
    pub(crate) fn namespace(&self) -> Option<BorrowedFd<'_>> {
        self.namespace.as_ref().map(AsFd::as_fd)
    }

    /// The overlay, to be attached once if it is not.
    pub(crate) fn tree(&self) -> io::Result<OwnedFd> {
        self.mounted.tree.try_clone()
    }
}

/// What tells that a directory is the same, and nothing was made in it since.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    changed: (i64, u32),
}

impl Version {
    fn of(directory: &Path) -> Option<Self> {
        let wanted = StatxFlags::INO | StatxFlags::CTIME;
        let none = rustix::fs::AtFlags::empty();
        let found = rustix::fs::statx(rustix::fs::CWD, directory, none, wanted).ok()?;
        let StatxTimestamp {
            tv_sec, tv_nsec, ..
        } = found.stx_ctime;
        Some(Self {
            inode: found.stx_ino,
            changed: (tv_sec, tv_nsec),
        })
    }
}
