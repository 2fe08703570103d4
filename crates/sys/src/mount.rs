//! mount_setattr, the attributes and propagation of mounts, and detached mounts of images.
#![expect(unsafe_code, reason = "mount_setattr has no safe wrapper")]

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// `MOUNT_ATTR_*` bits.
pub mod attribute {
    /// Nothing can be written through this mount.
    pub const RDONLY: u64 = 0x1;
    /// Set-user-id bits and file capabilities have no effect.
    pub const NOSUID: u64 = 0x2;
    /// Device nodes cannot be opened.
    pub const NODEV: u64 = 0x4;
    /// Nothing can be executed.
    pub const NOEXEC: u64 = 0x8;
    /// The field of access time policies; zero in it is relatime.
    pub const ATIME: u64 = 0x70;
    /// Access times are not updated.
    pub const NOATIME: u64 = 0x10;
    /// Access times are always updated.
    pub const STRICTATIME: u64 = 0x20;
    /// Access times of directories are not updated.
    pub const NODIRATIME: u64 = 0x80;
    /// Ids are shifted by a user namespace.
    pub const IDMAP: u64 = 0x10_0000;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// How mounts and unmounts spread to and from other mount namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Both ways.
    Shared,
    /// From the host only.
    Slave,
    /// Not at all.
    Private,
    /// Not at all, and it cannot be bound.
    Unbindable,
}

/// What of a mount, or of a tree of mounts, to change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'fd> {
    /// `attribute` bits to set.
    pub set: u64,
    /// `attribute` bits to clear.
    pub clear: u64,
    /// The propagation to have.
    pub propagation: Option<Propagation>,
    /// The user namespace whose maps shift ids.
    pub idmap: Option<BorrowedFd<'fd>>,
}

/// One mount, or all below it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The mount alone.
    Mount,
    /// The mount and every mount below it.
    Tree,
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Mounts an EROFS image from its file, detached, read-only as EROFS always is. Since Linux 6.12.
///
/// # Errors
/// `ENODEV` if the kernel has no EROFS, `ENOTBLK` if it mounts none from a file.
pub fn erofs(image: &Path) -> Result<OwnedFd, Errno> {
    let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "source", image)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Changes the mount that `path` below `dir` is on; an empty path is `dir` itself. Since Linux 5.12.
pub fn set_attributes(
    dir: BorrowedFd<'_>,
    path: &CStr,
    change: &Change<'_>,
    extent: Extent,
) -> io::Result<()> {
    let mut attr = MountAttr {
        set: change.set,
        clear: change.clear,
        propagation: match change.propagation {
            None => 0,
            Some(Propagation::Shared) => libc::MS_SHARED,
            Some(Propagation::Slave) => libc::MS_SLAVE,
            Some(Propagation::Private) => libc::MS_PRIVATE,
            Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
        },
        userns: 0,
    };
    if let Some(userns) = change.idmap {
        attr.set |= attribute::IDMAP;
        attr.userns = u64::try_from(userns.as_raw_fd()).unwrap_or(u64::MAX);
    }
    let mut flags = libc::AT_EMPTY_PATH;
    if extent == Extent::Tree {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the path is null-terminated and `attr` is valid for its size; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
