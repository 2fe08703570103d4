//! Learning by descriptor that a child has ended.
#![expect(unsafe_code, reason = "rustix has no signalfd nor sigprocmask")]

use rustix::fd::{FromRawFd as _, OwnedFd};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Blocks `SIGCHLD` and gives a descriptor, close-on-exec and not blocking, that can be read
/// when a child has ended. Each read of 128 bytes is one report; reports are merged.
pub fn watch() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was initialised above, and SIGCHLD is a signal.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD) };
    // SAFETY: the set was initialised above.
    let set = unsafe { set.assume_init() };
    // SAFETY: the set outlives the call; the old mask is not asked for.
    let blocked = unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    if blocked < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the set outlives the call, and -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd gave a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
