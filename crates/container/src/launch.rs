//! Cloning the child, and the parent's part while it sets itself up.

mod interfaces;
mod spawn;

use crate::Error;
use crate::begun::Left;
use crate::channel::{self, Received, Tag};
use crate::create::Told;
use crate::gate::{self, Gate};
use crate::hooks::{self, Stage};
use crate::init::Init;
use crate::plan::{Container, Plan};
use crate::stdio::Stdio;
use cgroup::Entry;
use net::Transfer;
use oci::runtime::State;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use sys::clone::{Child, Parked};
use sys::mount::{Change, set_attributes};

/// Everything that parent and child need.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) entry: Option<&'a Entry<'a>>,
    pub(crate) stdio: Stdio<'a>,
    pub(crate) gate: &'a Gate<'a>,
    pub(crate) state: State,
    pub(crate) cloned: Option<Told<'a>>,
}

impl Launch<'_> {
    /// Whether the child asks its parent for nothing on its way to the program, so that the
    /// parent may stand still until it is there.
    pub(crate) fn child_is_alone(&self) -> bool {
        let asks = |container: &Container| {
            container.hooks.any()
                || !container.interfaces.is_empty()
                || container.mounts.iter().any(|mount| mount.idmap.is_some())
        };
        let plan = self.plan;
        // Who has no rights on the host could not look at itself afterwards; a time namespace is
        // one of memory.
        let apart =
            plan.in_user_namespace() || sys::namespace::maps_users() || plan.has_time_namespace();
        self.gate.opens_itself()
            && self.cloned.is_none()
            && !apart
            && !plan.has_stage()
            && !plan.container.as_ref().is_some_and(asks)
            && self.entry.is_none_or(|entry| entry.attachment.is_none())
            && plan.filter.as_ref().is_none_or(|f| f.agent.is_none())
    }
}

/// Makes the process, if it has not begun, and serves it until it is at its gate, or runs if there
/// is none.
pub(crate) fn run(launch: &Launch<'_>, begun: Option<Parked<Left>>) -> Result<Init, Error> {
    for number in 3..3 + launch.plan.preserve_fds {
        let number = RawFd::try_from(number).unwrap_or(-1);
        if sys::fds::borrow(number).is_none() {
            let reason = format!("descriptor {number} is not open");
            return Err(Error::invalid("preserve_fds", reason));
        }
    }
    let (ours, theirs) = channel::pair().map_err(Error::process("make a socket pair"))?;
    let child = spawn::spawn(launch, &theirs, begun)?;
    drop(theirs);
    if launch.child_is_alone() {
        // All that it had to say was said.
        rustix::io::ioctl_fionbio(&ours, true)
            .map_err(|errno| Error::process("hear of the child")(errno.into()))?;
    }
    let mut parent = Parent {
        launch,
        channel: ours,
        child,
        console: None,
        moved: Vec::new(),
        ready: false,
    };
    // A stage is not the init yet.
    if !launch.plan.has_stage() {
        parent.tell();
    }
    match parent.serve() {
        Ok(()) => Ok(Init {
            pid: parent.child.pid,
            pidfd: parent.child.pidfd,
            console: parent.console,
            spent: Vec::new(),
            held: matches!(launch.gate, Gate::Held).then_some(parent.channel),
        }),
        Err(error) => {
            interfaces::give_back(parent.moved);
            end(parent.child.pidfd.as_fd());
            if let Some(container) = &launch.plan.container {
                container.enter.undo(&container.root.at);
            }
            Err(error)
        }
    }
}

/// Kills and reaps a child.
fn end(pidfd: BorrowedFd<'_>) {
    // A child that has ended cannot be killed, and that is as good.
    let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
    reap(pidfd);
}

/// Waits for a child's end, and says how it ended.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> String {
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED));
    match status {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (_, Some(signal)) => format!("signal {signal}"),
            _ => "unknown".to_owned(),
        },
        _ => "unknown".to_owned(),
    }
}

struct Parent<'a> {
    launch: &'a Launch<'a>,
    channel: OwnedFd,
    child: Child,
    console: Option<OwnedFd>,
    moved: Vec<Transfer>,
    ready: bool,
}

impl Parent<'_> {
    fn serve(&mut self) -> Result<(), Error> {
        while !self.ready {
            match channel::receive(&self.channel).map_err(Error::process("hear of the child"))? {
                Received::Failed(error) => return Err(error),
                Received::Message(tag, number, fd) => self.message(tag, number, fd)?,
                Received::End => {
                    return Err(Error::Died {
                        during: "its set-up",
                        status: reap(self.child.pidfd.as_fd()),
                    });
                }
            }
        }
        match self.launch.gate.opens_itself() {
            true => gate::executed(self.channel.as_fd()),
            false => Ok(()),
        }
    }

    fn message(&mut self, tag: Tag, number: i32, fd: Option<OwnedFd>) -> Result<(), Error> {
        match tag {
            Tag::Maps => {
                if let Some(maps) = &self.launch.plan.maps {
                    crate::users::write_maps(self.child.pid, maps)?;
                }
                self.go()
            }
            Tag::Group => {
                self.attach()?;
                self.go()
            }
            Tag::Pid => self.moved_to(number),
            Tag::Console => {
                self.console = fd;
                Ok(())
            }
            Tag::Interfaces => {
                self.interfaces()?;
                self.go()
            }
            Tag::IdMap => {
                self.map_ids(number, fd)?;
                self.go()
            }
            Tag::Hooks => {
                self.hooks()?;
                self.go()
            }
            Tag::Listener => self.listener(fd),
            Tag::Ready => {
                self.ready = true;
                if !self.launch.plan.in_user_namespace() {
                    return Ok(());
                }
                self.oom_score_adj()?;
                self.limits()?;
                match self.launch.gate.opens_itself() {
                    true => self.go(),
                    false => Ok(()),
                }
            }
            Tag::Go | Tag::Start => Err(Error::process("hear of the child")(
                std::io::ErrorKind::InvalidData.into(),
            )),
        }
    }

    fn go(&self) -> Result<(), Error> {
        channel::send(self.channel.as_fd(), Tag::Go, self.child.pid, None)
            .map_err(Error::process("let the child go on"))
    }

    /// Has the child put into its group by who can.
    fn attach(&self) -> Result<(), Error> {
        let entry = self.launch.entry;
        match entry.and_then(|entry| entry.attachment.as_ref()) {
            Some(attachment) => attachment
                .attach(self.child.pid)
                .map_err(|source| Error::Cgroup { source }),
            None => Ok(()),
        }
    }

    /// The first child was only a stage; its sibling is the one.
    fn moved_to(&mut self, pid: i32) -> Result<(), Error> {
        let raw = Pid::from_raw(pid).ok_or_else(|| {
            Error::process("find the container's process")(std::io::ErrorKind::NotFound.into())
        })?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty())
            .map_err(|errno| Error::process("open the container's process")(errno.into()))?;
        let stage = std::mem::replace(&mut self.child, Child { pid, pidfd });
        reap(stage.pidfd.as_fd());
        self.go()?;
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        if let Some(Told(tell)) = self.launch.cloned {
            tell(self.child.pid);
        }
    }

    /// In a user namespace the child may not lower it itself.
    fn oom_score_adj(&self) -> Result<(), Error> {
        match &self.launch.plan.process.oom_score_adj {
            Some(value) => {
                let path = format!("/proc/{}/oom_score_adj", self.child.pid);
                fs::write(&path, value).map_err(Error::host("write process.oomScoreAdj to", path))
            }
            None => Ok(()),
        }
    }

    /// In a user namespace the child may not raise a hard limit itself.
    fn limits(&self) -> Result<(), Error> {
        let pid = Pid::from_raw(self.child.pid);
        for rlimit in &self.launch.plan.process.rlimits {
            rustix::process::prlimit(pid, rlimit.resource, rlimit.limit)
                .map_err(|errno| Error::process("set a limit of process.rlimits")(errno.into()))?;
        }
        Ok(())
    }

    /// Ids of a tree that the child cloned: in its user namespace it may not map them itself.
    fn map_ids(&self, number: i32, tree: Option<OwnedFd>) -> Result<(), Error> {
        const ACTION: &str = "map ids of a mount";
        let mounts = self.launch.plan.container.iter().flat_map(|c| &c.mounts);
        let mount = usize::try_from(number)
            .ok()
            .and_then(|at| mounts.into_iter().nth(at));
        let idmap = mount.and_then(|mount| mount.idmap.as_ref());
        let (Some((userns, extent)), Some(tree)) = (idmap, tree) else {
            return Err(Error::process(ACTION)(
                std::io::ErrorKind::InvalidData.into(),
            ));
        };
        let change = Change {
            idmap: Some(userns.as_fd()),
            ..Change::default()
        };
        set_attributes(tree.as_fd(), c"", &change, *extent).map_err(Error::process(ACTION))
    }

    fn hooks(&self) -> Result<(), Error> {
        let Some(container) = &self.launch.plan.container else {
            return Ok(());
        };
        let state = State {
            pid: self.child.pid,
            ..self.launch.state.clone()
        };
        hooks::run(&container.hooks.prestart, Stage::Prestart, &state)?;
        hooks::run(
            &container.hooks.create_runtime,
            Stage::CreateRuntime,
            &state,
        )
    }

    fn listener(&self, fd: Option<OwnedFd>) -> Result<(), Error> {
        let filter = self.launch.plan.filter.as_ref();
        let agent = filter.and_then(|filter| filter.agent.as_ref());
        match (fd, agent) {
            (Some(fd), Some(agent)) => agent.tell(&fd, self.child.pid, &self.launch.state),
            _ => Ok(()),
        }
    }
}

/// The numbers that the child keeps through its set-up, sorted.
fn kept(launch: &Launch<'_>, theirs: &OwnedFd) -> Vec<RawFd> {
    let plan = launch.plan;
    let mut keep = waiting(launch, theirs);
    keep.extend(
        plan.namespaces
            .joined
            .iter()
            .map(|(_, fd, _)| fd.as_raw_fd()),
    );
    keep.extend(plan.trees());
    if let Some(join) = &plan.join {
        keep.push(join.pidfd.as_raw_fd());
        keep.push(join.root.as_raw_fd());
    }
    if let Some(entry) = launch.entry {
        keep.extend(entry.tasks.iter().map(AsRawFd::as_raw_fd));
        keep.extend(entry.class.iter().map(AsRawFd::as_raw_fd));
        keep.extend(entry.unified.iter().map(AsRawFd::as_raw_fd));
    }
    if let Stdio::Descriptors {
        stdin,
        stdout,
        stderr,
    } = launch.stdio
    {
        keep.extend([stdin, stdout, stderr].map(|fd| fd.as_raw_fd()));
    }
    keep.sort_unstable();
    keep
}

/// The numbers that the child keeps while it waits at its gate, sorted.
fn waiting(launch: &Launch<'_>, theirs: &OwnedFd) -> Vec<RawFd> {
    let preserved = 3..3 + RawFd::try_from(launch.plan.preserve_fds).unwrap_or(0);
    let mut keep: Vec<RawFd> = preserved.collect();
    keep.push(theirs.as_raw_fd());
    match launch.gate {
        Gate::Waiting(waiting) => keep.push(waiting.listener().as_raw_fd()),
        Gate::Promised(promise) => keep.push(promise.as_raw_fd()),
        Gate::Held | Gate::Open => {}
    }
    keep.sort_unstable();
    keep
}
