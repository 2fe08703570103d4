//! Signals by process descriptor, of any number.
#![expect(
    unsafe_code,
    reason = "rustix makes real-time signals of other libraries unsafe"
)]

use rustix::fd::{AsRawFd as _, BorrowedFd};
use std::io;
use std::ptr;

/// Sends signal `number` to the process of `pidfd`.
pub fn signal(pidfd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    let (call, pidfd, info) = (
        libc::SYS_pidfd_send_signal,
        pidfd.as_raw_fd(),
        ptr::null::<libc::siginfo_t>(),
    );
    // SAFETY: the descriptor is borrowed, and no information is given.
    let sent = unsafe { libc::syscall(call, pidfd, number, info, 0) };
    match sent {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
