//! What went wrong in the child: a plain value, made and sent without allocation.

use rustix::io::Errno;
use std::ffi::CStr;
use std::io;

/// A failed attempt, with what it was about.
#[derive(Debug)]
pub(crate) struct Fault<'a> {
    /// What was attempted, a verb phrase.
    pub(crate) action: &'static str,
    /// On what.
    pub(crate) object: &'a [u8],
    /// The kernel's answer.
    pub(crate) errno: i32,
    /// What kind of error it becomes.
    pub(crate) class: Class,
}

/// Which error a [`Fault`] becomes in the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The step failed.
    Step,
    /// There is no such command.
    CommandNotFound,
    /// The command is there but cannot be executed.
    CommandNotExecutable,
    /// The container's root is not its mount namespace's.
    ForeignRoot,
    /// The container's own files have no such user or group.
    NoAccount,
    /// A mount failed: its source and destination, divided by a zero byte.
    Mount,
    /// A hook failed: which one, and why.
    Hook,
    /// It was told already.
    Told,
}

impl<'a> Fault<'a> {
    pub(crate) fn new(action: &'static str, object: &'a [u8], errno: Errno) -> Self {
        Self {
            action,
            object,
            errno: errno.raw_os_error(),
            class: Class::Step,
        }
    }

    pub(crate) fn with(self, class: Class) -> Self {
        Self { class, ..self }
    }
}

/// The errno of an error that a system call gave.
pub(crate) fn errno(error: &io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::IO, Errno::from_raw_os_error)
}

/// Turns results of calls into faults that say what was attempted on what.
pub(crate) trait During<T> {
    /// On an object named by a path.
    fn on<'a>(self, action: &'static str, object: &'a CStr) -> Result<T, Fault<'a>>;
    /// On an object that needs no more name than the action has.
    fn during<'a>(self, action: &'static str) -> Result<T, Fault<'a>>;
}

impl<T> During<T> for Result<T, Errno> {
    fn on<'a>(self, action: &'static str, object: &'a CStr) -> Result<T, Fault<'a>> {
        self.map_err(|errno| Fault::new(action, object.to_bytes(), errno))
    }
    fn during<'a>(self, action: &'static str) -> Result<T, Fault<'a>> {
        self.map_err(|errno| Fault::new(action, b"", errno))
    }
}

impl<T> During<T> for io::Result<T> {
    fn on<'a>(self, action: &'static str, object: &'a CStr) -> Result<T, Fault<'a>> {
        self.map_err(|error| errno(&error)).on(action, object)
    }
    fn during<'a>(self, action: &'static str) -> Result<T, Fault<'a>> {
        self.map_err(|error| errno(&error)).during(action)
    }
}

/// Lets tests fail a step; builds without debug assertions have nothing of it.
#[doc(hidden)]
pub mod injection {
    use std::cell::Cell;

    thread_local! {
        static FAILING: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Containers made by this thread fail at the step of this name.
    pub fn fail_at(step: Option<&'static str>) {
        FAILING.set(step);
    }

    pub(crate) fn armed() -> Option<&'static str> {
        if cfg!(debug_assertions) {
            FAILING.get()
        } else {
            None
        }
    }
}
