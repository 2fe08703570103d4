//! Making processes: clone3, which returns twice.
#![expect(unsafe_code, reason = "clone3 and _exit have no safe wrapper")]

mod lent;
mod parked;

pub use self::parked::Parked;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

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
    /// The child has the caller's memory itself, and the calling thread waits until it has
    /// executed a program or ended: no page is copied, and none is copied again when written.
    ///
    /// The OOM killer, which ends all processes that share memory, passes over such a child; its
    /// own pages are the caller's cgroup's.
    pub lent: bool,
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
        let args = self.arguments(&mut pidfd);
        let pid = match self.lent {
            true => lent::spawn(&args, child)?,
            false => copied(&args, child)?,
        };
        // SAFETY: the kernel stored a new descriptor that nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        Ok(Child { pid, pidfd })
    }

    /// What clone3 is told; it stores the child's descriptor in `pidfd`.
    fn arguments(&self, pidfd: &mut libc::c_int) -> libc::clone_args {
        // SAFETY: an all-zero clone_args is valid: no flags, no stack.
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = self.namespaces | CLONE_CLEAR_SIGHAND | libc::CLONE_PIDFD as u64;
        args.pidfd = ptr::from_mut(pidfd) as u64;
        if self.sibling {
            args.flags |= libc::CLONE_PARENT as u64;
        } else {
            args.exit_signal = libc::SIGCHLD as u64;
        }
        if let Some(cgroup) = self.cgroup {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
        }
        args
    }
}

/// Whether memory may be looked at is a property of the memory: what the child forbade for itself
/// it forbade for us.
fn restore(dumpable: DumpableBehavior) {
    let restored = set_dumpable_behavior(dumpable);
    debug_assert!(restored.is_ok(), "what was read can be set");
}

/// The child runs on a copy of the caller's memory.
fn copied(args: &libc::clone_args, child: impl FnOnce() -> u8) -> io::Result<i32> {
    // SAFETY: `args` is valid for its size and outlives the call; without CLONE_VM the child
    // runs on a copy of this stack.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            ptr::from_ref(args),
            size_of::<libc::clone_args>(),
        )
    };
    match i32::try_from(pid) {
        Ok(0) => end_after(child),
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs the child, and ends it.
fn end_after(child: impl FnOnce() -> u8) -> ! {
    exit(catch_unwind(AssertUnwindSafe(child)).unwrap_or(255))
}

/// Ends this process without running anything else of it.
pub fn exit(status: u8) -> ! {
    // SAFETY: _exit does not return and touches no memory.
    unsafe { libc::_exit(libc::c_int::from(status)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{DumpableBehavior, WaitId, WaitIdOptions, waitid};
    use rustix::process::{dumpable_behavior, set_dumpable_behavior};
    use std::cell::Cell;
    use std::os::fd::AsFd as _;

    fn status_of(child: &Child) -> Option<i32> {
        let ended = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        ended.unwrap().unwrap().exit_status()
    }

    fn lent() -> Clone<'static> {
        Clone {
            lent: true,
            ..Clone::default()
        }
    }

    #[test]
    fn a_child_writes_the_memory_that_it_was_lent() {
        let seen = Cell::new(0);
        let own = std::process::id();
        let child = lent().spawn(|| {
            seen.set(std::process::id());
            7
        });
        let child = child.unwrap();
        // It ran before the call returned, with our memory and a number of its own.
        assert_eq!(i64::from(seen.get()), i64::from(child.pid));
        assert_ne!(seen.get(), own);
        assert_eq!(status_of(&child), Some(7));
    }

    #[test]
    fn a_copy_is_the_childs_own() {
        let seen = Cell::new(0);
        let child = Clone::default().spawn(|| {
            seen.set(1);
            8
        });
        assert_eq!(status_of(&child.unwrap()), Some(8));
        assert_eq!(seen.get(), 0);
    }

    #[test]
    fn what_a_child_forbids_to_look_at_the_caller_may_show_again() {
        let before = dumpable_behavior().unwrap();
        let child = lent().spawn(|| {
            let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
            u8::from(dumpable_behavior() != Ok(DumpableBehavior::NotDumpable))
        });
        assert_eq!(status_of(&child.unwrap()), Some(0));
        assert_eq!(dumpable_behavior(), Ok(before));
    }

    #[test]
    fn a_child_that_panics_ends_with_255() {
        let child = lent().spawn(|| panic!("as the test wants"));
        assert_eq!(status_of(&child.unwrap()), Some(255));
    }
}
