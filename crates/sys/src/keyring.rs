//! Session keyrings.
#![expect(unsafe_code, reason = "keyctl has no safe wrapper")]

use std::ffi::CStr;
use std::io;

const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
const KEYCTL_SETPERM: libc::c_int = 5;
/// The default permissions of a session keyring, and search for its possessor's user.
const PERMISSIONS: u32 = 0x3f13_0000 | 0x0008_0000;

/// Joins a new session keyring of this name, searchable by its user.
pub fn join_session(name: &CStr) -> io::Result<()> {
    // SAFETY: the name is null-terminated and only read.
    let serial =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    if serial < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no memory is passed.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, serial, PERMISSIONS) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
