//! The current directory, into a buffer.
#![expect(
    unsafe_code,
    reason = "getcwd writes to a buffer; the safe ones allocate"
)]

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
