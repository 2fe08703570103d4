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

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// A call that is allowed with one value of one argument alone: `(call, argument, value)`.
pub type Exactly = (libc::c_long, u32, u32);

/// A filter that allows these calls, and `exactly` with their values; threads may be made and
/// processes may not. Other calls fail with `EPERM`, those of another architecture end it. It is
/// a straight list, for those who call rarely.
pub fn allow_only<'a>(
    calls: impl Iterator<Item = &'a libc::c_long>,
    exactly: &[Exactly],
) -> Vec<Instruction> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const KILL: u32 = 0x8000_0000;
    const ERRNO: u32 = 0x0005_0000;
    const CLONE_THREAD: u32 = 0x0001_0000;
    const REFUSE: u32 = ERRNO | libc::EPERM.unsigned_abs();
    let op = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    // struct seccomp_data: the arguments follow two words and the instruction pointer.
    let argument = |index: u32| 16 + 8 * index;
    let mut program = vec![
        op(LOAD, 4, 0, 0),
        op(EQUAL, ARCHITECTURE, 1, 0),
        op(RETURN, KILL, 0, 0),
        op(LOAD, 0, 0, 0),
        // clone3's flags lie in memory: without it, libraries call clone.
        op(EQUAL, number(libc::SYS_clone3), 0, 1),
        op(RETURN, ERRNO | libc::ENOSYS.unsigned_abs(), 0, 0),
        // clone makes threads only.
        op(EQUAL, number(libc::SYS_clone), 0, 4),
        op(LOAD, argument(0), 0, 0),
        op(ANY_BIT, CLONE_THREAD, 0, 1),
        op(RETURN, ALLOW, 0, 0),
        op(RETURN, KILL, 0, 0),
    ];
    for (call, index, value) in exactly {
        program.extend([
            op(EQUAL, number(*call), 0, 4),
            op(LOAD, argument(*index), 0, 0),
            op(EQUAL, *value, 0, 1),
            op(RETURN, ALLOW, 0, 0),
            op(RETURN, REFUSE, 0, 0),
        ]);
    }
    for call in calls {
        program.push(op(EQUAL, number(*call), 0, 1));
        program.push(op(RETURN, ALLOW, 0, 0));
    }
    program.push(op(RETURN, REFUSE, 0, 0));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that a thread makes which tells what it saw and ends.
    const ENDING: [libc::c_long; 9] = [
        libc::SYS_futex,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_write,
        libc::SYS_exit,
    ];

    #[test]
    fn refusals_are_eperm_and_what_is_allowed_is_the_kernels() {
        for (call, flags, expected) in [
            (libc::SYS_dup3, 0, libc::EPERM),
            (libc::SYS_dup3, 0x80000, libc::EBADF),
            (libc::SYS_getppid, 0, libc::EPERM),
            (libc::SYS_clone3, 0, libc::ENOSYS),
        ] {
            let confined = std::thread::spawn(move || {
                rustix::thread::set_no_new_privs(true).expect("it may be set");
                let exactly = [(libc::SYS_dup3, 2, 0x80000)];
                load(&allow_only(ENDING.iter(), &exactly), 0).expect("it is loaded");
                // SAFETY: no number here is a descriptor.
                let result = unsafe { libc::syscall(call, -1, -2, flags) };
                (result, io::Error::last_os_error().raw_os_error())
            });
            assert_eq!(confined.join().expect("it ends"), (-1, Some(expected)));
        }
    }
}
