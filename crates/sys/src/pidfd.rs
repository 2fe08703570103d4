//! What a pidfd gives of its process, and tells about it after the exit.
#![expect(unsafe_code, reason = "a pidfd's ioctls have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `struct pidfd_info`, the part of Linux 6.15.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

const MASK_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)` for this size.
const GET_INFO: libc::c_ulong =
    (3 << 30) | ((size_of::<Info>() as libc::c_ulong) << 16) | (0xFF << 8) | 11;

/// `_IO(0xFF, 3)`
const GET_MNT_NAMESPACE: libc::c_ulong = (0xFF << 8) | 3;

/// The mount namespace of a process that lives. Since Linux 6.11; `ENOTTY` or `EINVAL` before.
pub fn mount_namespace(pidfd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the request takes no argument and gives a new descriptor.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_MNT_NAMESPACE, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's; the kernel makes it close on exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The wait status of a process that has ended and was reaped by anyone; `None` while it lives
/// or waits to be reaped. Since Linux 6.15; `ENOTTY` or `EINVAL` before.
pub fn exit_status(pidfd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut info = Info {
        mask: MASK_EXIT,
        ..Info::default()
    };
    // SAFETY: `info` is valid for the size in the request's number and outlives the call.
    if unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((info.mask & MASK_EXIT != 0).then_some(info.exit_code))
}

/// Sends a signal by number, real-time ones included.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: without details the kernel fills them in; nothing is read from us.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            none,
            0,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
