//! The processes of a group: naming them, and ending them.

use crate::{Cgroup, Error};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

impl Cgroup {
    /// The processes of the group and of those below it, in our pid namespace.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        let mut pids = Vec::new();
        if let Some(group) = self.process_group() {
            group.collect_pids(&mut pids)?;
        }
        Ok(pids)
    }

    /// Moves a process in, in every hierarchy and in the class of service.
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        let mut groups = self.groups();
        groups.try_for_each(|group| group.write("cgroup.procs", &pid.to_string()))?;
        self.class.as_ref().map_or(Ok(()), |class| class.add(pid))
    }

    /// Ends every process of the group, also those that are frozen.
    ///
    /// With version 2 (also beside version 1) the kernel does it in one step, since 5.14.
    pub fn kill(&self) -> Result<(), Error> {
        if let Some(group) = self.group("") {
            match group.try_write("cgroup.kill", "1") {
                Ok(()) => return Ok(()),
                // ENOENT: an older kernel, or the root group; ENODEV: the group is gone.
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(_) => group.write("cgroup.kill", "1")?,
            }
        }
        self.signal(Signal::KILL)
    }

    /// Sends a signal to every process of the group. They are frozen meanwhile if that can be
    /// done, so that none escapes by forking.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        // A group that cannot be frozen is signalled all the same.
        let frozen = self.freeze().is_ok();
        let sent = self.signal_each(signal);
        if frozen || signal == Signal::KILL {
            // A frozen process dies only when it is thawed.
            sent.and(self.thaw_any())
        } else {
            sent
        }
    }

    fn signal_each(&self, signal: Signal) -> Result<(), Error> {
        for pid in self.pids()? {
            let Some(pid) = Pid::from_raw(pid) else {
                continue;
            };
            match kill_process(pid, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => {
                    return Err(Error::Io {
                        action: "signal a process of",
                        path: self.path().to_owned(),
                        source: errno.into(),
                    });
                }
            }
        }
        Ok(())
    }
}
