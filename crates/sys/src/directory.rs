//! The current directory: into a buffer, and of one thread.
#![expect(
    unsafe_code,
    reason = "getcwd writes to a buffer, where the safe ones allocate; unshare has unsafe flags"
)]

use rustix::thread::UnshareFlags;
use std::ffi::CStr;
use std::io;

/// The current directory's path; one outside the root begins with `(unreachable)`.
pub fn current(buffer: &mut [u8]) -> io::Result<&CStr> {
    // SAFETY: the kernel writes at most as many bytes as the buffer has.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    CStr::from_bytes_until_nul(buffer).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Gives this thread a current directory, a root and a mask of its own, which it had with others.
pub fn unshare() -> io::Result<()> {
    // SAFETY: only CLONE_FILES is unsafe to unshare.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }.map_err(io::Error::from)
}
