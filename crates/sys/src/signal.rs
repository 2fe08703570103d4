//! Signals as a program expects them at its start.
#![expect(
    unsafe_code,
    reason = "sigaction and sigprocmask take structures by pointer"
)]

use std::io;
use std::mem::MaybeUninit;
use std::ops::BitOr;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;

/// The kernel's `struct sigaction` as zeroes: default, no flags, empty mask.
type KernelAction = [u64; 4];
/// Bytes of the kernel's signal set.
const SET: usize = 8;
/// The signals that ask a program to end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// The signals that this process ignores, as bits from the lowest. The kernel is asked once: whoever
/// calls it changes no disposition to that later.
pub fn ignored() -> u64 {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    *IGNORED.get_or_init(|| {
        let ignored = |signal: &i32| {
            let mut action: KernelAction = [0; 4];
            // SAFETY: `action` has the size of a kernel sigaction, and is written alone.
            let asked = unsafe {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    *signal,
                    ptr::null::<KernelAction>(),
                    &raw mut action,
                    SET,
                )
            };
            asked == 0 && action[0] == libc::SIG_IGN as u64
        };
        (1..=64).filter(ignored).map(bit).fold(0, BitOr::bitor)
    })
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Blocks signals, and gives a descriptor, close-on-exec and not blocking, that can be read when
/// one has come: [`caught`]. Threads that are there already do not have them blocked.
pub fn catch(signals: &[i32]) -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set was initialised above; what is no signal is refused.
        if unsafe { libc::sigaddset(set.as_mut_ptr(), *signal) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
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

/// The next signal of [`catch`]'s descriptor, by number.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if none has come.
pub fn caught(descriptor: impl AsFd) -> io::Result<i32> {
    let mut report = [0; size_of::<libc::signalfd_siginfo>()];
    rustix::io::read(descriptor, &mut report)?;
    // The first field of `signalfd_siginfo`.
    let [a, b, c, d, ..] = report;
    i32::try_from(u32::from_ne_bytes([a, b, c, d])).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Gives every signal its default disposition, as far as a program that is executed would inherit
/// another or [`end_when_asked`] has set one, and unblocks all of them.
pub fn reset() -> io::Result<()> {
    let default: KernelAction = [0; 4];
    let other = |signal: &i32| ignored() & bit(*signal) != 0 || ENDING.contains(signal);
    for signal in (1..=64).filter(other) {
        // SAFETY: `default` is a valid kernel sigaction, only read. The raw call, because
        // glibc refuses its own two real-time signals.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                ptr::null::<KernelAction>(),
                SET,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let empty = 0_u64;
    // SAFETY: the set has the size given and is only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const empty,
            ptr::null::<u64>(),
            SET,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Has the signals that ask a program to end, end this process: without a handler the first
/// process of a pid namespace does not get them.
pub fn end_when_asked() -> io::Result<()> {
    extern "C" fn end(_: libc::c_int) {
        crate::clone::exit(1)
    }
    for signal in ENDING {
        // SAFETY: a sigaction of zeroes is valid: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = end as extern "C" fn(libc::c_int) as usize;
        // SAFETY: `action` is valid and only read; its handler makes one system call alone,
        // which a handler may.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Blocks every signal of this thread, so that [`next`] takes them.
pub fn block_all() -> io::Result<()> {
    let full = u64::MAX;
    // SAFETY: the set has the size given and is only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const full,
            ptr::null::<u64>(),
            SET,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits for the next blocked signal and takes it: its number.
pub fn next() -> io::Result<i32> {
    let full = u64::MAX;
    loop {
        // SAFETY: the set has the size given and is only read; null means no details, no limit.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const full,
                ptr::null::<libc::siginfo_t>(),
                ptr::null::<libc::timespec>(),
                SET,
            )
        };
        match i32::try_from(result) {
            Ok(signal) if signal > 0 => return Ok(signal),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// A descriptor from which blocked signals are read, as [`take`] does; close-on-exec.
pub fn descriptor() -> io::Result<OwnedFd> {
    let full = u64::MAX;
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the set has the size given and is only read; -1 asks for a new descriptor.
    let result = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const full, SET, flags) };
    match i32::try_from(result) {
        // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes the next signal from a [`descriptor`]; nothing if there is none.
pub fn take(descriptor: &OwnedFd) -> io::Result<Option<i32>> {
    // struct signalfd_siginfo begins with the signal's number.
    let mut info = [0_u8; 128];
    match rustix::io::read(descriptor, &mut info) {
        Ok(_) => Ok(Some(i32::from_ne_bytes([
            info[0], info[1], info[2], info[3],
        ]))),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Has `command`'s program start with every signal at its default and none blocked, whatever
/// this thread blocks.
pub fn reset_in(command: &mut Command) -> &mut Command {
    // A child must not find another thread's question half asked.
    ignored();
    // SAFETY: `reset` makes raw system calls alone, which a child may between fork and exec.
    unsafe { command.pre_exec(reset) }
}
