//! A child that has its parent's memory and descriptors, does a first part of its work, and waits
//! to be told the rest.
//!
//! Never do both run at once: the parent stands still until the child waits, and again from the
//! word to go on until the child has executed a program or ended. So the child may use what is the
//! calling thread's own, as one does that is lent the memory for all of its time.

use super::lent::clone;
use super::{Child, Clone, end_after, restore};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions};
use rustix::process::{dumpable_behavior, set_parent_process_death_signal};
use rustix::process::{getpid, pidfd_open, pidfd_send_signal, waitid};
use rustix::thread::futex;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// Room for the child's calls; pages that are not used are not there.
const STACK: usize = 1 << 20;
/// What of it may not be touched.
const GUARD: usize = 64 << 10;

/// The child has given the memory up: the kernel writes it, and wakes who waits.
const GONE: u32 = 0;
/// The child works.
const BUSY: u32 = 1;
/// The child waits.
const WAITING: u32 = 2;

/// The second part, and its data.
type Rest<S> = (fn(*mut c_void, &S) -> u8, *mut c_void);

/// What parent and child tell each other.
#[derive(Debug)]
struct Shared<S> {
    state: AtomicU32,
    /// What the first part left.
    left: Option<S>,
    rest: Option<Rest<S>>,
}

/// A child that waits. Dropping it ends it.
#[derive(Debug)]
pub struct Parked<S> {
    child: Option<Child>,
    shared: *mut Shared<S>,
    stack: Stack,
}

impl Clone<'_> {
    /// Makes a process that has the caller's memory and table of descriptors, and runs `first`.
    /// It then waits for [`Parked::resume`], with what `first` left; if that is nothing it ends,
    /// and so does this with `None`. It ends with the calling thread, too.
    ///
    /// The OOM killer ends all processes that share memory, the caller with them.
    ///
    /// # Errors
    /// If the kernel makes no process; on machines other than x86-64 it is not supported.
    pub fn park<S, F>(&self, first: F) -> io::Result<Option<Parked<S>>>
    where
        F: FnOnce() -> Option<S>,
    {
        let shared = Box::new(Shared {
            state: AtomicU32::new(BUSY),
            left: None,
            rest: None,
        });
        let mut parked = Parked {
            child: None,
            shared: Box::into_raw(shared),
            stack: Stack::new()?,
        };
        let parent = pidfd_open(getpid(), PidfdFlags::empty())?;
        let dumpable = dumpable_behavior()?;
        let mut start = Some((parent, parked.shared, first));
        let mut pidfd = -1;
        let mut args = self.arguments(&mut pidfd);
        args.flags |= (libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_CHILD_CLEARTID) as u64;
        args.child_tid = std::ptr::from_ref(parked.state()) as u64;
        args.stack = parked.stack.0 as u64;
        args.stack_size = (GUARD + STACK) as u64;
        // SAFETY: the child has a stack of its own, `run` takes its argument for what it is, and
        // this frame stays until the child has taken everything out of it or has ended.
        let pid = unsafe { clone(&args, run::<S, F>, (&raw mut start).cast()) }?;
        // SAFETY: the kernel stored a new descriptor that nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        parked.child = Some(Child { pid, pidfd });
        let state = parked.wait_while(BUSY);
        restore(dumpable);
        Ok((state == WAITING).then_some(parked))
    }
}

impl<S> Parked<S> {
    /// Has the child do the `rest`, and returns once it has executed a program or ended, which it
    /// does with the status that the rest returns. What the first part left is dropped here then;
    /// the child must not.
    ///
    /// # Errors
    /// If the child has ended already.
    pub fn resume<F>(mut self, rest: F) -> io::Result<Child>
    where
        F: FnOnce(&S) -> u8,
    {
        let dumpable = dumpable_behavior()?;
        let mut rest = Some(rest);
        if self.state().load(Ordering::Acquire) != WAITING {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // SAFETY: it lives until we are dropped, and a child that waits does not touch it.
        unsafe { (*self.shared).rest = Some((go_on::<S, F>, (&raw mut rest).cast())) };
        let waiting = self.state();
        // One that has ended meanwhile stays so.
        let _ = waiting.compare_exchange(WAITING, BUSY, Ordering::AcqRel, Ordering::Acquire);
        wake(waiting);
        self.wait_while(BUSY);
        restore(dumpable);
        let child = self.child.take();
        child.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// What the first part left, while the child waits.
    pub fn left(&self) -> Option<&S> {
        let waits = self.state().load(Ordering::Acquire) == WAITING;
        // SAFETY: it lives until we are dropped, and a child that waits does not touch it.
        waits.then(|| unsafe { (*self.shared).left.as_ref() })?
    }

    fn state(&self) -> &AtomicU32 {
        // SAFETY: it lives until we are dropped, and is only used as what it is.
        unsafe { &(*self.shared).state }
    }

    /// Waits while the state is this, and gives the next.
    fn wait_while(&self, state: u32) -> u32 {
        wait_while(self.state(), state)
    }
}

impl<S> Drop for Parked<S> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // One that has ended cannot be killed, and that is as good.
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
            while self.state().load(Ordering::Acquire) != GONE {
                self.wait_while(WAITING);
                self.wait_while(BUSY);
            }
            let ended = WaitId::PidFd(child.pidfd.as_fd());
            // It may have been reaped by whoever looks for orphans.
            let _ = rustix::io::retry_on_intr(|| waitid(ended.clone(), WaitIdOptions::EXITED));
        }
        // SAFETY: it came out of a box, and whoever shared it is gone.
        drop(unsafe { Box::from_raw(self.shared) });
    }
}

/// The kernel wakes without the flag of private ones.
fn wait_while(word: &AtomicU32, state: u32) -> u32 {
    loop {
        let now = word.load(Ordering::Acquire);
        if now != state {
            return now;
        }
        // Whatever ends it, the word is looked at.
        let _ = futex::wait(word, futex::Flags::empty(), state, None);
    }
}

fn wake(word: &AtomicU32) {
    let _ = futex::wake(word, futex::Flags::empty(), 1);
}

/// The child.
extern "C" fn run<S, F: FnOnce() -> Option<S>>(start: *mut c_void) -> ! {
    type Start<S, F> = Option<(OwnedFd, *mut Shared<S>, F)>;
    // SAFETY: `park` passes this type, and waits while we use it.
    let start = unsafe { &mut *start.cast::<Start<S, F>>() };
    let Some((parent, shared, first)) = start.take() else {
        super::exit(255);
    };
    end_after(|| {
        if !ends_with(&parent) {
            return 1;
        }
        drop(parent);
        let Some(left) = first() else {
            return 1;
        };
        // SAFETY: the parent waits for the state to change.
        let told = unsafe { &mut *shared };
        told.left = Some(left);
        told.state.store(WAITING, Ordering::Release);
        wake(&told.state);
        wait_while(&told.state, WAITING);
        // Whoever executes a program outlives its parent.
        let _ = set_parent_process_death_signal(None);
        // SAFETY: the parent waits again, and has told the rest.
        let told = unsafe { &mut *shared };
        let (left, rest) = (told.left.as_ref(), told.rest.take());
        match (left, rest) {
            (Some(left), Some((rest, data))) => rest(data, left),
            _ => 1,
        }
    })
}

/// The second part.
fn go_on<S, F: FnOnce(&S) -> u8>(rest: *mut c_void, left: &S) -> u8 {
    // SAFETY: `resume` passes this type, and waits while we use it.
    let rest = unsafe { &mut *rest.cast::<Option<F>>() };
    rest.take().map_or(255, |rest| rest(left))
}

/// From here on the child ends with its parent; false if that has ended already.
fn ends_with(parent: &OwnedFd) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut ended = [PollFd::new(parent, PollFlags::IN)];
    set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && poll(&mut ended, Some(&now)) == Ok(0)
}

/// Memory for the child's calls.
#[derive(Debug)]
struct Stack(*mut c_void);

impl Stack {
    fn new() -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        // SAFETY: new memory, at a place of the kernel's choice.
        let stack = unsafe { mmap_anonymous(std::ptr::null_mut(), GUARD + STACK, access, flags)? };
        let made = Self(stack);
        // SAFETY: nobody has it yet.
        unsafe { mprotect(stack, GUARD, MprotectFlags::empty())? };
        Ok(made)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody is on it any more.
        let unmapped = unsafe { munmap(self.0, GUARD + STACK) };
        debug_assert!(unmapped.is_ok(), "it was mapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn status_of(child: &Child) -> Option<i32> {
        let ended = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        ended.unwrap().unwrap().exit_status()
    }

    #[test]
    fn a_child_waits_with_what_it_has_and_goes_on_when_told() {
        let seen = Cell::new(0);
        let parked = Clone::default().park(|| {
            seen.set(std::process::id());
            Some(41)
        });
        let parked = parked.unwrap().unwrap();
        assert_ne!(seen.get(), std::process::id());
        let first = seen.get();
        let child = parked.resume(|left| {
            assert_eq!(seen.get(), std::process::id());
            seen.set(0);
            left + 1
        });
        let child = child.unwrap();
        assert_eq!((child.pid.cast_unsigned(), seen.get()), (first, 0));
        assert_eq!(status_of(&child), Some(42));
    }

    #[test]
    fn descriptors_are_shared() {
        let folder = c"/";
        let open = || rustix::fs::open(folder, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty());
        let parked = Clone::default().park(|| open().ok()).unwrap().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(parked.left().unwrap());
        assert!(crate::fds::borrow(number).is_some());
        let child = parked.resume(|left| u8::from(rustix::fs::fstat(left).is_err()));
        assert_eq!(status_of(&child.unwrap()), Some(0));
    }

    #[test]
    fn one_that_is_not_needed_ends() {
        let parked = Clone::default().park(|| Some(())).unwrap().unwrap();
        let pidfd = parked.child.as_ref().unwrap().pidfd.try_clone().unwrap();
        drop(parked);
        let ended = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        assert_eq!(ended.unwrap_err(), rustix::io::Errno::CHILD);
    }

    #[test]
    fn one_that_was_killed_is_not_waited_for() {
        let parked = Clone::default().park(|| Some(())).unwrap().unwrap();
        let pidfd = parked.child.as_ref().unwrap().pidfd.try_clone().unwrap();
        pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
        assert_eq!(parked.wait_while(WAITING), GONE);
        assert!(parked.resume(|()| 0).is_err());
    }

    #[test]
    fn one_that_left_nothing_is_none() {
        assert!(Clone::default().park(|| None::<()>).unwrap().is_none());
    }

    #[test]
    fn a_child_executes_a_program() {
        let words = [c"sh", c"-c", c"exit 5"].map(std::ffi::CStr::to_owned);
        let arguments = crate::exec::Strings::new(words.into());
        let none = crate::exec::Strings::new(Vec::new());
        let parked = Clone::default().park(|| Some(())).unwrap().unwrap();
        let child = parked.resume(|()| {
            drop(crate::exec::execve_with(
                c"/bin/sh", &arguments, &none, None,
            ));
            1
        });
        assert_eq!(status_of(&child.unwrap()), Some(5));
    }

    #[test]
    fn a_child_ends_with_who_made_it() {
        // A copy of us makes one and is killed.
        let (ours, theirs) = rustix::pipe::pipe().unwrap();
        let middle = Clone::default().spawn(|| {
            let parked = Clone::default().park(|| Some(()));
            let Ok(Some(parked)) = parked else { return 1 };
            let pid = parked.child.as_ref().map_or(0, |child| child.pid);
            let _ = rustix::io::write(&theirs, &pid.to_ne_bytes());
            loop {
                std::thread::park();
            }
        });
        let middle = middle.unwrap();
        let mut pid = [0; 4];
        assert_eq!(rustix::io::read(&ours, &mut pid), Ok(4));
        let pid = rustix::process::Pid::from_raw(i32::from_ne_bytes(pid)).unwrap();
        let parked = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        pidfd_send_signal(&middle.pidfd, Signal::KILL).unwrap();
        assert_eq!(status_of(&middle), None);
        let mut ended = [PollFd::new(&parked, PollFlags::IN)];
        let long = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut ended, Some(&long)), Ok(1));
    }
}
