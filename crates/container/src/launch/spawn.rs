//! The clone itself: with what must be so before it, and undone in the parent after it.
//!
//! Joining a pid namespace is for later children only. So the parent does it, clones, and takes
//! it back: no process in between. A joined user namespace must own the new ones, and namespaces
//! that it does not own must be joined before it: there is a stage, a process that joins them
//! and clones the container's init as its sibling. Who has no rights on the host joins a container
//! in the same way.

use super::{Launch, kept, waiting};
use crate::Error;
use crate::begun::Left;
use crate::channel::{self, Tag};
use crate::fault::{During, Fault, injection};
use crate::steps::{self, Setup, not_dumpable};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::clone::{Child, Clone, Parked};
use sys::namespace::{self, Kind};

/// Clones the child, which runs the steps, or has one that has begun run what is left of them.
pub(super) fn spawn(
    launch: &Launch<'_>,
    theirs: &OwnedFd,
    begun: Option<Parked<Left>>,
) -> Result<Child, Error> {
    // Asked here, so that the child has the answer.
    sys::signal::ignored();
    let mut keep = kept(launch, theirs);
    let left = begun.as_ref().and_then(Parked::left);
    keep.extend(left.into_iter().flat_map(Left::numbers));
    keep.sort_unstable();
    let waiting = waiting(launch, theirs);
    let body = Body {
        launch,
        channel: theirs.as_fd(),
        keep: &keep,
        waiting: &waiting,
        failing: injection::armed(),
    };
    if let Some(begun) = begun {
        return begun.resume(|left| body.finish(left)).map_err(failed);
    }
    if launch.plan.has_stage() {
        return body.stage();
    }
    let before = Before::of(launch);
    if before.nothing() {
        return body.clone(None).map_err(failed);
    }
    before.around(|| body.clone(None)).map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    Error::process("clone the container's process")(source)
}

/// What the parent's later children must have.
struct Before<'a> {
    pid: Option<BorrowedFd<'a>>,
    join: Option<BorrowedFd<'a>>,
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
        }
    }

    fn nothing(&self) -> bool {
        self.pid.is_none() && self.join.is_none()
    }

    fn enter(&self) -> std::io::Result<()> {
        if let Some(fd) = self.pid {
            namespace::join(fd, Kind::Pid)?;
        }
        if let Some(pidfd) = self.join {
            namespace::join_process(pidfd, Kind::Pid.flag())?;
        }
        Ok(())
    }

    /// Clones with later children's namespaces changed, and changes them back, clone or not.
    fn around(&self, clone: impl FnOnce() -> std::io::Result<Child>) -> std::io::Result<Child> {
        let own = pidfd_open(getpid(), PidfdFlags::empty())?;
        let child = self.enter().and_then(|()| clone());
        // Without this, later children would silently be in the container.
        namespace::join_process(own.as_fd(), Kind::Pid.flag())?;
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
    /// Clones the container's init; from a stage as its sibling, with what the stage has joined.
    fn clone(&self, stage: Option<u64>) -> std::io::Result<Child> {
        let not_by_clone = Kind::Cgroup.flag() | Kind::Time.flag();
        Clone {
            namespaces: self.launch.plan.namespaces.new & !not_by_clone,
            cgroup: self.launch.entry.and_then(|entry| entry.unified),
            sibling: stage.is_some(),
            lent: self.launch.child_is_alone(),
        }
        .spawn(|| self.run(stage))
    }

    /// The child: all steps, and their failure if one fails.
    fn run(&self, stage: Option<u64>) -> u8 {
        // Until the stage has named us, the parent takes what we say for the stage's.
        if stage.is_some() && !matches!(channel::wait_for(self.channel, Tag::Go), Ok(Some(_))) {
            return 1;
        }
        let mut setup = Setup::new(self.launch, self.channel, (self.keep, self.waiting));
        setup.joined = stage.unwrap_or(0);
        steps::run(&mut setup, self.failing);
        // Nothing is dropped: the descriptors' numbers may be others by now.
        sys::clone::exit(1)
    }

    /// The child that has begun: what is left of the steps.
    fn finish(&self, left: &Left) -> u8 {
        // What is closed from here on is our own.
        if sys::fds::unshare().is_err() {
            return 1;
        }
        let mut setup = Setup::new(self.launch, self.channel, (self.keep, self.waiting));
        setup.left = Some(left);
        steps::run(&mut setup, self.failing);
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
        let namespaces = &self.launch.plan.namespaces.joined;
        let mut joined = 0;
        if let Some(join) = &self.launch.plan.join {
            not_dumpable()?;
            namespace::join_process(join.pidfd, join.kinds)
                .during("join the container's namespaces")?;
            joined = join.kinds;
        }
        // The others first: in the user namespace there are no rights on those of its parent.
        for (kind, fd, path) in namespaces.iter().filter(|(kind, ..)| *kind != Kind::User) {
            match namespace::join(fd.as_fd(), *kind) {
                Ok(()) => joined |= kind.flag(),
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
                Err(error) => return Err(error).on("join namespace", path),
            }
        }
        for (kind, fd, path) in namespaces.iter().filter(|(kind, ..)| *kind == Kind::User) {
            namespace::join(fd.as_fd(), *kind).on("join namespace", path)?;
        }
        // What is left the child joins, but that one is for children only.
        let left = |kind: &Kind| *kind == Kind::Pid && joined & kind.flag() == 0;
        for (kind, fd, path) in namespaces.iter().filter(|(kind, ..)| left(kind)) {
            namespace::join(fd.as_fd(), *kind).on("join namespace", path)?;
        }
        let child = self
            .clone(Some(joined))
            .during("clone the container's process")?;
        channel::send(self.channel, Tag::Pid, child.pid, None).during("name the process")
    }
}
