//! Making processes: clone3, which returns twice.
#![expect(unsafe_code, reason = "clone3 and _exit have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Puts the child in the cgroup v2 directory given; since Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// Handled signals are default in the child; since Linux 5.5.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// What a child shares with its parent, and what is new.
#[derive(Debug, Default)]
pub struct Clone<'fd> {
    /// `CLONE_NEW*` bits of [`crate::namespace::Kind`].
    pub namespaces: u64,
    /// A cgroup v2 directory that the child starts in.
    pub cgroup: Option<BorrowedFd<'fd>>,
    /// The child's parent is the caller's parent.
    pub sibling: bool,
}

/// A child just made.
#[derive(Debug)]
pub struct Child {
    /// Its number in the caller's pid namespace.
    pub pid: i32,
    /// Its descriptor, close-on-exec.
    pub pidfd: OwnedFd,
}

impl Clone<'_> {
    /// Makes a process that runs `child` and ends with the status that it returns.
    ///
    /// The child has the caller's memory as a copy, and this thread alone. If the caller has
    /// other threads, `child` must not allocate or take locks: their holder may not exist.
    /// Signal handlers are reset in the child; a panic ends it with status 255.
    pub fn spawn(&self, child: impl FnOnce() -> u8) -> io::Result<Child> {
        let mut pidfd: libc::c_int = -1;
        // SAFETY: an all-zero clone_args is valid: no flags, no stack.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = self.namespaces | CLONE_CLEAR_SIGHAND | libc::CLONE_PIDFD as u64;
        args.pidfd = (&raw mut pidfd) as u64;
        if self.sibling {
            args.flags |= libc::CLONE_PARENT as u64;
        } else {
            args.exit_signal = libc::SIGCHLD as u64;
        }
        if let Some(cgroup) = self.cgroup {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
        }
        // SAFETY: `args` is valid for its size and outlives the call; without CLONE_VM the
        // child runs on a copy of this stack.
        let pid = unsafe {
            libc::syscall(
                libc::SYS_clone3,
                &raw const args,
                size_of::<libc::clone_args>(),
            )
        };
        match i32::try_from(pid) {
            Ok(0) => exit(catch_unwind(AssertUnwindSafe(child)).unwrap_or(255)),
            Ok(pid) if pid > 0 => {
                // SAFETY: the kernel stored a new descriptor that nobody else owns.
                let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
                Ok(Child { pid, pidfd })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Ends this process without running anything else of it.
pub fn exit(status: u8) -> ! {
    // SAFETY: _exit does not return and touches no memory.
    unsafe { libc::_exit(libc::c_int::from(status)) }
}
