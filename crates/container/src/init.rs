//! A process made by [`crate::create`] or [`crate::exec`], as its parent holds it.

use crate::{Error, gate};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A container's init, or a process executed in a container.
///
/// It is a child of the caller, who waits for it: dropping this neither ends nor reaps it,
/// except that an init that waits at a held gate ends when the gate goes.
#[derive(Debug)]
pub struct Init {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) console: Option<OwnedFd>,
    pub(crate) held: Option<OwnedFd>,
    pub(crate) spent: Vec<OwnedFd>,
}

impl Init {
    /// A process that somebody else made as a child of the caller, with its terminal's master
    /// side.
    pub fn adopt(pid: i32, console: Option<OwnedFd>) -> std::io::Result<Self> {
        let raw = Pid::from_raw(pid).ok_or(std::io::ErrorKind::NotFound)?;
        Ok(Self {
            pid,
            pidfd: pidfd_open(raw, PidfdFlags::empty())?,
            console,
            held: None,
            spent: Vec::new(),
        })
    }

    /// Its number in the caller's pid namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its descriptor.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The master side of its terminal, once.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// Opens a held gate and returns once the program runs.
    ///
    /// On failure the process has ended or is about to; the caller reaps it. With another
    /// gate, or a second time, there is nothing to do.
    pub fn start(&mut self) -> Result<(), Error> {
        match self.held.take() {
            Some(channel) => gate::released(channel.as_fd()),
            None => Ok(()),
        }
    }

    /// What only the set-up needed, once: mounts, of which each may take a tenth of a millisecond
    /// to close, and namespaces. Dropping closes them when nobody waits.
    pub fn take_spent(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.spent)
    }

    /// Gives up everything but the descriptor of the process.
    pub fn into_pidfd(self) -> OwnedFd {
        self.pidfd
    }
}
