//! One process of a sandbox: an init, or one executed in its container.

use crate::error::{Error, Result};
use crate::task_api::Endpoints;
use container::Init;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use types::{Signal, Timestamp};

/// How long the outputs of a process that has ended may stay open in others' hands.
const DRAIN: Duration = Duration::from_secs(2);

/// What is known of a process's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    /// 128 and the signal's number if one ended it; `None`: nobody saw it.
    pub code: Option<u8>,
    /// When.
    pub at: Timestamp,
    /// Killed for want of memory.
    pub oom_killed: bool,
}

/// Where a process is in its life.
#[derive(Debug)]
pub(crate) enum Life {
    /// It waits at its gate.
    Waiting(Init),
    /// It was started.
    Running,
    /// It has ended; its outputs are read to their end until the instant given.
    Draining(Exit, Instant),
    /// It has ended, and this was recorded.
    Over(Exit),
}

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    /// The container's id.
    pub container: Rc<str>,
    /// Its own id in the container; empty: the init.
    pub exec: String,
    /// Its number on the host.
    pub pid: i32,
    /// Its descriptor.
    pub pidfd: OwnedFd,
    /// Where it is.
    pub life: Life,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// Paths that a Task API caller gave for its streams.
    pub endpoints: Endpoints,
}

impl Process {
    /// A process that was just made.
    pub(crate) fn new(container: Rc<str>, exec: &str, init: Init, waits: bool) -> Result<Self> {
        let (pid, started) = (init.pid(), (!waits).then(Timestamp::now));
        let (pidfd, life) = match waits {
            true => {
                let pidfd = init.pidfd().try_clone_to_owned();
                let held = pidfd.map_err(Error::io("hold", Path::new("a process")))?;
                (held, Life::Waiting(init))
            }
            false => (init.into_pidfd(), Life::Running),
        };
        Ok(Self {
            container,
            exec: exec.to_owned(),
            pid,
            pidfd,
            life,
            started,
            endpoints: Endpoints::default(),
        })
    }

    /// Whether it is a container's init.
    pub(crate) fn is_init(&self) -> bool {
        self.exec.is_empty()
    }

    /// The refusal because of its state.
    pub(crate) fn refuse(&self, state: &'static str) -> Error {
        let (kind, id) = match self.is_init() {
            true => ("container", &*self.container),
            false => ("process", self.exec.as_str()),
        };
        Error::State {
            kind,
            id: id.to_owned(),
            state,
        }
    }

    /// Whether it lives.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.life, Life::Waiting(_) | Life::Running)
    }

    /// How it ended, once that was recorded.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.life {
            Life::Over(exit) => Some(exit),
            _ => None,
        }
    }

    /// Looks whether it has ended, without reaping it.
    pub(crate) fn look(&mut self) -> io::Result<bool> {
        if !self.is_alive() {
            return Ok(false);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let Some(status) = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)? else {
            return Ok(false);
        };
        let exit = Exit {
            code: Some(code(&status)),
            at: Timestamp::now(),
            oom_killed: false,
        };
        self.life = Life::Draining(exit, Instant::now() + DRAIN);
        Ok(true)
    }

    /// Waits until it has ended, without reaping it.
    pub(crate) fn wait_until_ended(&self) -> io::Result<()> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let wait = || waitid(WaitId::PidFd(self.pidfd.as_fd()), options);
        rustix::io::retry_on_intr(wait)?;
        Ok(())
    }

    /// Takes it from the kernel's table: its end was recorded.
    pub(crate) fn reap(&self) -> io::Result<()> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        waitid(WaitId::PidFd(self.pidfd.as_fd()), options)?;
        Ok(())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        sys::kill::signal(self.pidfd(), signal.number())
    }

    fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// A shell's exit status for how a process ended.
fn code(status: &WaitIdStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let code = status.exit_status().or(signal).unwrap_or(255);
    u8::try_from(code & 255).unwrap_or(255)
}

/// Reaps children that nobody here made: orphans of the sandbox.
pub(crate) fn reap_orphans(ours: impl Fn(i32) -> bool) -> io::Result<()> {
    let children = std::fs::read_to_string("/proc/thread-self/children")?;
    let pids = children
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok());
    for pid in pids.filter(|pid| !ours(*pid)) {
        let Some(pid) = Pid::from_raw(pid) else {
            continue;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(pid), options) {
            // It may have been reaped by whoever waited for it.
            Ok(_) | Err(rustix::io::Errno::CHILD) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The descriptor of a process that is a child of ours.
pub(crate) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
