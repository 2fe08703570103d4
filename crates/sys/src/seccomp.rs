//! Loading a system call filter.
#![expect(unsafe_code, reason = "seccomp takes a program by pointer")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Returns a descriptor on which notifications arrive.
pub const NEW_LISTENER: u32 = 1 << 3;

/// One classic BPF instruction as the kernel has it in memory.
pub type Instruction = libc::sock_filter;

/// Installs the filter for this thread; the descriptor is the listener, if `flags` ask for one.
///
/// Needs no_new_privs or CAP_SYS_ADMIN in the user namespace.
pub fn load(program: &[Instruction], flags: u32) -> io::Result<Option<OwnedFd>> {
    let header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the header points to `len` instructions, which the kernel only reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const header,
        )
    };
    let number = i32::try_from(result).map_err(|_| io::ErrorKind::InvalidData)?;
    match number {
        0 => Ok(None),
        listener if listener > 0 && flags & NEW_LISTENER != 0 => {
            // SAFETY: with NEW_LISTENER a positive result is a new descriptor nobody else owns.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(listener) }))
        }
        _ => Err(io::Error::last_os_error()),
    }
}
