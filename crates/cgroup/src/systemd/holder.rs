//! A process that is in a new scope until somebody else is: systemd makes none without, and
//! drops one that is left empty.

use crate::Error;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use sys::clone::{Child, Clone};
use sys::fds::close_all_but;

/// The process; it ends with this.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    /// What it waits for the end of, which comes also when we are killed.
    line: Option<OwnedFd>,
    /// Nobody can be cloned into the group beside it, only join it.
    pub(crate) crowds: bool,
}

impl Holder {
    pub(crate) fn start(crowds: bool) -> Result<Self, Error> {
        let failed = |error| Error::io("start a process for", Path::new("a scope"))(error);
        let (theirs, ours) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(std::io::Error::from(errno)))?;
        let child = Clone::default()
            .spawn(|| {
                // Without its own copy of our end, among others.
                drop(close_all_but(&[theirs.as_raw_fd()]));
                while rustix::io::read(&theirs, &mut [0; 1]) == Err(Errno::INTR) {}
                // What it would drop is closed.
                sys::clone::exit(0)
            })
            .map_err(failed)?;
        Ok(Self {
            child,
            line: Some(ours),
            crowds,
        })
    }

    /// Its number, as systemd takes it.
    pub(crate) fn number(&self) -> u32 {
        self.child.pid.cast_unsigned()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.line = None;
        // In a frozen group it would not see that.
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        // Without a wait it would stay as a zombie as long as we are.
        let _ = waitid(
            WaitId::PidFd(self.child.pidfd.as_fd()),
            WaitIdOptions::EXITED,
        );
    }
}
