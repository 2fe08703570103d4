//! The probes: each asks with arguments that a kernel with the feature refuses in its own way.
#![expect(unsafe_code, reason = "probes make calls with arguments meant to fail")]

use super::{Feature, file_system_known};
use crate::mount::{Change, Extent, set_attributes};
use rustix::mount::{FsOpenFlags, fsconfig_set_string, fsopen};
use rustix::process::PidfdFlags;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

pub(super) fn ask(feature: Feature) -> Option<bool> {
    match feature {
        Feature::MountApi => Some(exists(libc::SYS_fsopen)),
        Feature::OpenTree => Some(exists(libc::SYS_open_tree)),
        Feature::Openat2 => Some(exists(libc::SYS_openat2)),
        Feature::Clone3 => Some(exists(libc::SYS_clone3)),
        Feature::CloneIntoCgroup => Some(clone_into_cgroup()),
        Feature::TimeNamespace => Some(std::fs::exists("/proc/self/ns/time").unwrap_or(false)),
        Feature::JoinByPidfd => Some(join_by_pidfd()),
        Feature::CloseRange => Some(exists(libc::SYS_close_range)),
        Feature::MountSetattr => Some(exists(libc::SYS_mount_setattr)),
        Feature::IdmappedMounts => idmapped(),
        Feature::Erofs => Some(
            file_system_known(c"erofs") || fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC).is_ok(),
        ),
        Feature::ErofsFile => erofs_file(),
        Feature::OverlayAppend => overlay_append(),
        Feature::PidfdMountNamespace => pidfd_mount_namespace(),
        // To ask would take two layers and rights.
        Feature::DetachedLayers => Some(version()? >= (6, 15)),
        Feature::PidfdExit => pidfd_exit(),
        Feature::Seccomp => Some(seccomp()),
    }
}

/// Whether the call is there: with impossible arguments it fails otherwise than with ENOSYS.
fn exists(number: libc::c_long) -> bool {
    // SAFETY: every call probed refuses -1 as a descriptor, as flags or as a size before it
    // reads any memory.
    let result = unsafe { libc::syscall(number, -1_i64, 0_i64, -1_i64, -1_i64, -1_i64, -1_i64) };
    result >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

/// With the flag and a descriptor that is none, EBADF or EINVAL tell the kernels apart.
fn clone_into_cgroup() -> bool {
    let child = crate::clone::Clone {
        cgroup: std::fs::File::open("/dev/null")
            .ok()
            .as_ref()
            .map(|file| file.as_fd()),
        ..crate::clone::Clone::default()
    }
    .spawn(|| 0);
    match child {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(libc::EBADF),
    }
}

/// Joining is the only way to see it, and that would be a side effect: so by version.
fn join_by_pidfd() -> bool {
    exists(libc::SYS_pidfd_open) && version() >= Some((5, 8))
}

fn idmapped() -> Option<bool> {
    let root = std::fs::File::open("/").ok()?;
    let userns = std::fs::File::open("/proc/self/ns/user").ok()?;
    let change = Change {
        idmap: Some(userns.as_fd()),
        ..Change::default()
    };
    // Our own user namespace is refused with EPERM where idmaps are known, before any change.
    let error = set_attributes(root.as_fd(), c"", &change, Extent::Mount).err()?;
    match error.raw_os_error() {
        Some(libc::ENOSYS) => Some(false),
        Some(libc::EINVAL) => Some(version() >= Some((5, 12))),
        _ => Some(true),
    }
}

fn erofs_file() -> Option<bool> {
    Some(version()? >= (6, 12))
}

/// A kernel without the option takes one of any name, and refuses it only when it mounts.
fn overlay_append() -> Option<bool> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).ok()?;
    if fsconfig_set_string(context.as_fd(), "no-such-option", "/").is_ok() {
        return Some(false);
    }
    match fsconfig_set_string(context.as_fd(), "lowerdir+", "/") {
        Ok(()) => Some(true),
        Err(rustix::io::Errno::INVAL) => Some(false),
        Err(_) => None,
    }
}

fn own() -> Option<OwnedFd> {
    let (pid, flags) = (rustix::process::getpid(), PidfdFlags::empty());
    rustix::process::pidfd_open(pid, flags).ok()
}

fn pidfd_mount_namespace() -> Option<bool> {
    Some(crate::pidfd::mount_namespace(own()?.as_fd()).is_ok())
}

fn pidfd_exit() -> Option<bool> {
    let own = own()?;
    match crate::pidfd::exit_status(own.as_fd()) {
        Ok(_) => Some(version()? >= (6, 15)),
        Err(_) => Some(false),
    }
}

fn seccomp() -> bool {
    // SAFETY: a null program is refused with EFAULT where filters are known.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            std::ptr::null::<u8>(),
        )
    };
    result < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

/// The running kernel's version.
fn version() -> Option<(u8, u8)> {
    let name = rustix::system::uname();
    let release = name.release().to_str().ok()?;
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::super::TABLE;
    use super::version;

    #[test]
    fn probes_agree_with_the_running_kernels_version() {
        let version = version().unwrap();
        for row in TABLE {
            if let Some(answer) = row.feature.probe() {
                assert!(
                    !answer || version >= row.since,
                    "{} is there before its version",
                    row.feature
                );
            }
        }
    }
}
