//! The child's work as an ordered list of named steps, one small file each.
//!
//! Between clone and exec nothing here allocates: the caller may have had other threads. A step
//! that does not concern the container at hand does nothing. The first fault is sent to the
//! parent with the step's name; the process ends, and with it everything it had made.

mod accounts;
mod cgroups;
mod command;
mod console;
mod credentials;
mod cwd;
mod descriptors;
mod devices;
mod execute;
mod gate;
mod hooks;
mod join;
mod labels;
mod limits;
mod lookups;
mod mounts;
mod names;
mod namespaces;
mod null;
mod paths;
mod pivot;
mod scheduling;
mod seccomp;
mod session;
mod sysctl;
mod tmpcopyup;
mod users;

pub(crate) use descriptors::not_dumpable;
pub(crate) use devices::usual as usual_devices;
pub(crate) use mounts::{file_system, in_root, move_to, own, seal};
pub(crate) use pivot::pivot_into;

use crate::begun::Left;
use crate::channel;
use crate::fault::{Class, Fault};
use crate::launch::Launch;
use crate::plan::{Container, Plan};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

type Run = for<'a> fn(&mut Setup<'a>) -> Result<(), Fault<'a>>;

/// The steps, in their order.
const STEPS: &[(&str, Run)] = &[
    ("descriptors", descriptors::run),
    ("user namespace", users::run),
    ("cpu affinity at first", scheduling::initial_affinity),
    ("control groups", cgroups::run),
    ("oom score", limits::oom_score_adj),
    ("join the container", join::run),
    ("namespaces", namespaces::run),
    ("session", session::run),
    ("host's mounts", mounts::detach_from_host),
    ("root file system", mounts::root),
    ("mounts", mounts::all),
    ("devices", devices::run),
    ("terminal", console::run),
    ("hooks", hooks::before_pivot),
    ("sysctl", sysctl::run),
    ("read-only paths", paths::readonly),
    ("masked paths", paths::masked),
    ("read-only mounts", mounts::late_readonly),
    ("pivot", pivot::run),
    ("null device", null::run),
    ("host name", names::run),
    ("keyring", session::keyring),
    ("scheduling", scheduling::run),
    ("memory policy", scheduling::memory),
    ("resource limits", limits::rlimits),
    ("security label", labels::run),
    ("accounts", accounts::run),
    ("working directory", cwd::run),
    ("credentials", credentials::run),
    ("working directory as the user", cwd::as_user),
    ("command", command::run),
    ("seccomp with an agent", seccomp::early),
    ("gate", gate::run),
    ("startContainer hooks", hooks::start_container),
    ("seccomp", seccomp::late),
    ("capabilities", credentials::last),
    ("exec", execute::run),
];

/// What an init does that begins before its container is known, in this order. Where the same is a
/// step it is passed over later, or finds nothing to do.
const FIRST: &[Run] = &[
    |_| not_dumpable(),
    cgroups::run,
    namespaces::run,
    mounts::copy_root,
    session::run,
    mounts::all,
    sysctl::run,
    paths::readonly,
    paths::masked,
    pivot::run,
    lookups::run,
];

/// Runs the first part; `None` if anything fails, of which nobody is told.
pub(crate) fn begin(launch: &Launch<'_>) -> Option<Left> {
    // Nobody is there to be asked.
    let nobody = rustix::stdio::stdin();
    let mut setup = Setup::new(launch, nobody, (&[], &[]));
    let mut steps = FIRST.iter();
    let done = steps.all(|step| step(&mut setup).is_ok());
    done.then(|| setup.into_left()).flatten()
}

/// The names of all steps, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(name, _)| *name)
}

pub(crate) fn name(index: usize) -> &'static str {
    STEPS.get(index).map_or("stage", |(name, _)| name)
}

/// The child's state on its way.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) launch: &'a Launch<'a>,
    pub(crate) channel: BorrowedFd<'a>,
    /// Where failures are told: the channel, or who opened the gate.
    pub(crate) report: Option<OwnedFd>,
    pub(crate) keep: &'a [i32],
    pub(crate) waiting: &'a [i32],
    /// What an init that has begun holds: the steps of [`FIRST`] are done.
    pub(crate) left: Option<&'a Left>,
    /// The root, attached.
    root: Option<OwnedFd>,
    /// A procfs of the container's own that nobody mounted over.
    procfs: Option<OwnedFd>,
    /// The terminal's slave side.
    slave: Option<OwnedFd>,
    /// The program's place among the candidates.
    command: usize,
    /// Our number in the parent's pid namespace, if hooks need it.
    pid: i32,
    /// `CLONE_NEW*` bits of namespaces that were joined before.
    pub(crate) joined: u64,
    cwd_as_user: bool,
    /// Who the program is, once the container's own files were asked.
    identity: accounts::Identity,
    filtered: bool,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(
        launch: &'a Launch<'a>,
        channel: BorrowedFd<'a>,
        (keep, waiting): (&'a [i32], &'a [i32]),
    ) -> Self {
        Self {
            plan: launch.plan,
            launch,
            channel,
            report: None,
            keep,
            waiting,
            left: None,
            root: None,
            procfs: None,
            slave: None,
            command: 0,
            pid: 0,
            joined: 0,
            cwd_as_user: false,
            identity: accounts::Identity::new(),
            filtered: false,
        }
    }

    /// The plan of a new container; a process that joins one has none.
    fn container(&self) -> Option<&'a Container> {
        self.plan.container.as_ref()
    }

    /// The root and the procfs, for a later part of the set-up.
    pub(crate) fn into_root(self) -> (Option<OwnedFd>, Option<OwnedFd>) {
        (self.root, self.procfs)
    }

    fn root(&self) -> Result<BorrowedFd<'_>, Fault<'a>> {
        let missing = || Fault::new("use the root", b"", Errno::BADF);
        self.root.as_ref().map(AsFd::as_fd).ok_or_else(missing)
    }
}

/// Runs all steps; returns only after a fault, which was sent.
pub(crate) fn run(setup: &mut Setup<'_>, failing: Option<&'static str>) {
    for (index, (name, step)) in STEPS.iter().enumerate() {
        let done = if failing == Some(*name) {
            Err(Fault::new("fail, as a test asked", b"", Errno::CANCELED))
        } else {
            step(setup)
        };
        if let Err(fault) = done {
            if fault.class == Class::Told {
                return;
            }
            let report = setup.report.as_ref().map_or(setup.channel, AsFd::as_fd);
            channel::send_failure(report, index, &fault);
            return;
        }
    }
}
