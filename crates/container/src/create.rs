//! Making a container up to its gate.

use crate::Error;
use crate::begun::Begun;
use crate::gate::Gate;
use crate::init::Init;
use crate::launch::{self, Launch};
use crate::plan::{self, Part, Plan};
use crate::stdio::Stdio;
use crate::stock::Stock;
use cgroup::Cgroup;
use oci::runtime::Spec;
use std::fmt;
use std::path::Path;
use types::{ContainerId, Rootfs};

/// A container to make. Everything that it names is only read.
#[derive(Debug)]
pub struct Create<'a> {
    /// Its name, as hooks and its keyring get to see it.
    pub id: &'a ContainerId,
    /// The configuration.
    pub spec: &'a Spec,
    /// The directory that hooks are told, and that relative bind sources start from.
    pub bundle: &'a Path,
    /// The root file system.
    pub rootfs: &'a Rootfs,
    /// Standard streams; with `process.terminal` they are replaced by the terminal.
    pub stdio: Stdio<'a>,
    /// The control group, made and limited before.
    pub cgroup: Option<&'a Cgroup>,
    /// The system call filter, compiled before.
    pub seccomp: Option<&'a seccomp::Program>,
    /// How the start is told.
    pub gate: Gate<'a>,
    /// How many descriptors from 3 the program gets too.
    pub preserve_fds: u32,
    /// Whether the program stays in the caller's session keyring.
    pub keep_keyring: bool,
    /// Whether the root is moved over the host's instead of taking its place.
    pub no_pivot: bool,
    /// Mounts made ahead, which are taken where the configuration has the same; a root by
    /// [`Stock::keep_root`].
    pub stock: Option<&'a Stock>,
    /// Told the init's number once there is one, while it sets itself up.
    pub cloned: Option<Told<'a>>,
}

/// Who is told a process's number.
#[derive(Clone, Copy)]
pub struct Told<'a>(pub &'a dyn Fn(i32));

impl fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// Makes the container: its init waits at the gate, everything is set up, and the program was
/// found. On failure nothing of it is left.
pub fn create(request: &Create<'_>) -> Result<Init, Error> {
    make(request, None)
}

/// Makes the container; what is done by an init that has begun is not done again.
pub(crate) fn make(request: &Create<'_>, begun: Option<Begun>) -> Result<Init, Error> {
    let part = begun.as_ref().map_or(Part::Whole, |b| Part::Rest(b.done()));
    let plan = Plan::of_create(request, part)?;
    let entry = match begun {
        Some(_) => None,
        None => plan::membership(&plan, request.cgroup)?,
    };
    let launch = Launch {
        plan: &plan,
        entry: entry.as_ref(),
        stdio: request.stdio,
        gate: &request.gate,
        state: plan::state(request),
        cloned: request.cloned,
    };
    let mut init = launch::run(&launch, begun.map(Begun::into_parked))?;
    init.spent = plan.into_descriptors();
    Ok(init)
}
