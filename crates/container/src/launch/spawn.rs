//! The clone itself: with what must be so before it, and undone in the parent after it.
//!
//! Joining a pid namespace and making a time namespace are for later children only. So the
//! parent does them, clones, and takes them back: no process in between. Where that cannot be,
//! there is a stage, a process that clones the container's init as its sibling: a joined user
//! namespace must own the new ones, and a thread among others cannot take a time namespace back.

use super::{Launch, kept, waiting};
use crate::Error;
use crate::channel::{self, Tag};
use crate::fault::{During, Fault, injection};
use crate::steps::{self, Setup};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use sys::clone::{Child, Clone};
use sys::namespace::{self, Kind};

/// Clones the child, which runs the steps.
pub(super) fn spawn(launch: &Launch<'_>, theirs: &OwnedFd) -> Result<Child, Error> {
    let keep = kept(launch, theirs);
    let waiting = waiting(launch, theirs);
    let body = Body {
        launch,
        channel: theirs.as_fd(),
        keep: &keep,
        waiting: &waiting,
        failing: injection::armed(),
    };
    let plan = launch.plan;
    let time = plan.namespaces.makes(Kind::Time);
    if plan.namespaces.joins(Kind::User) || time && !single_threaded() {
        return body.stage();
    }
    let before = Before::of(launch);
    if before.nothing() {
        return body.clone(false).map_err(failed);
    }
    before.around(|| body.clone(false)).map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    Error::process("clone the container's process")(source)
}

/// Whether this process has one thread: a directory has one link more for each subdirectory.
fn single_threaded() -> bool {
    fs::metadata("/proc/self/task").is_ok_and(|task| task.nlink() == 3)
}

/// What the parent's later children must have.
struct Before<'a> {
    pid: Option<BorrowedFd<'a>>,
    join: Option<BorrowedFd<'a>>,
    time: bool,
    offsets: &'a str,
}

impl<'a> Before<'a> {
    fn of(launch: &'a Launch<'_>) -> Self {
        let plan = launch.plan;
        let joined = plan.namespaces.joined.iter();
        let pid = Kind::Pid.flag();
        Self {
            pid: joined
                .filter(|(kind, ..)| *kind == Kind::Pid)
                .map(|(_, fd, _)| fd.as_fd())
                .next(),
            join: plan
                .join
                .as_ref()
                .filter(|join| join.kinds & pid != 0)
                .map(|join| join.pidfd),
            time: plan.namespaces.makes(Kind::Time),
            offsets: &plan.namespaces.offsets,
        }
    }

    fn nothing(&self) -> bool {
        self.pid.is_none() && self.join.is_none() && !self.time
    }

    fn enter(&self) -> std::io::Result<()> {
        if let Some(fd) = self.pid {
            namespace::join(fd, Kind::Pid)?;
        }
        if let Some(pidfd) = self.join {
            namespace::join_process(pidfd, Kind::Pid.flag())?;
        }
        if self.time {
            namespace::unshare(Kind::Time.flag())?;
            if !self.offsets.is_empty() {
                fs::write("/proc/self/timens_offsets", self.offsets)?;
            }
        }
        Ok(())
    }

    /// Clones with later children's namespaces changed, and changes them back, clone or not.
    fn around(&self, clone: impl FnOnce() -> std::io::Result<Child>) -> std::io::Result<Child> {
        let own = pidfd_open(getpid(), PidfdFlags::empty())?;
        let child = self.enter().and_then(|()| clone());
        let mut kinds = 0;
        if self.pid.is_some() || self.join.is_some() {
            kinds |= Kind::Pid.flag();
        }
        if self.time {
            kinds |= Kind::Time.flag();
        }
        // Without this, later children would silently be in the container.
        namespace::join_process(own.as_fd(), kinds)?;
        child
    }
}

struct Body<'a> {
    launch: &'a Launch<'a>,
    channel: BorrowedFd<'a>,
    keep: &'a [i32],
    waiting: &'a [i32],
    failing: Option<&'static str>,
}

impl Body<'_> {
    fn clone(&self, sibling: bool) -> std::io::Result<Child> {
        let not_by_clone = Kind::Cgroup.flag() | Kind::Time.flag();
        Clone {
            namespaces: self.launch.plan.namespaces.new & !not_by_clone,
            cgroup: self.launch.entry.and_then(|entry| entry.unified),
            sibling,
        }
        .spawn(|| self.run(sibling))
    }

    /// The child: all steps, and their failure if one fails.
    fn run(&self, sibling: bool) -> u8 {
        // Until the stage has named us, the parent takes what we say for the stage's.
        if sibling && !matches!(channel::wait_for(self.channel, Tag::Go), Ok(Some(_))) {
            return 1;
        }
        let mut setup = Setup::new(self.launch, self.channel, (self.keep, self.waiting));
        steps::run(&mut setup, self.failing);
        // Nothing is dropped: the descriptors' numbers may be others by now.
        sys::clone::exit(1)
    }

    fn stage(&self) -> Result<Child, Error> {
        Clone::default()
            .spawn(|| match self.through_stage() {
                Ok(()) => 0,
                Err(fault) => {
                    channel::send_failure(self.channel, usize::MAX, &fault);
                    1
                }
            })
            .map_err(failed)
    }

    fn through_stage(&self) -> Result<(), Fault<'_>> {
        let plan = self.launch.plan;
        for (kind, fd, path) in &plan.namespaces.joined {
            if [Kind::User, Kind::Pid].contains(kind) {
                namespace::join(fd.as_fd(), *kind).on("join namespace", path)?;
            }
        }
        if plan.namespaces.makes(Kind::Time) {
            namespace::unshare(Kind::Time.flag()).during("make a time namespace")?;
            if !plan.namespaces.offsets.is_empty() {
                fs::write("/proc/self/timens_offsets", &plan.namespaces.offsets)
                    .during("write linux.timeOffsets")?;
            }
        }
        let child = self.clone(true).during("clone the container's process")?;
        channel::send(self.channel, Tag::Pid, child.pid, None).during("name the process")
    }
}
