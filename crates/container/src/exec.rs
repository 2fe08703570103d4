//! Processes that join a running container.

use crate::Error;
use crate::gate::Gate;
use crate::init::Init;
use crate::launch::{self, Launch};
use crate::plan::{self, Plan};
use crate::stdio::Stdio;
use cgroup::Cgroup;
use oci::runtime::{Process, Spec, State, Status};
use std::os::fd::BorrowedFd;
use types::ContainerId;

/// A process to execute in a running container. Everything that it names is only read.
#[derive(Debug)]
pub struct Exec<'a> {
    /// The container's name.
    pub id: &'a ContainerId,
    /// The container's configuration: which namespaces it has of its own.
    pub spec: &'a Spec,
    /// The container's init.
    pub pid: i32,
    /// The container's init, which must be the same process.
    pub pidfd: BorrowedFd<'a>,
    /// The process.
    pub process: &'a Process,
    /// Standard streams; with `terminal` they are replaced by the terminal.
    pub stdio: Stdio<'a>,
    /// The container's control group.
    pub cgroup: Option<&'a Cgroup>,
    /// The container's system call filter.
    pub seccomp: Option<&'a seccomp::Program>,
    /// How the start is told.
    pub gate: Gate<'a>,
    /// How many descriptors from 3 the program gets too.
    pub preserve_fds: u32,
    /// Whether the program stays in the caller's session keyring.
    pub keep_keyring: bool,
}

/// Makes the process: it has joined and waits at its gate, or runs if there is none.
///
/// The process is a child of the caller, who reaps it.
pub fn exec(request: &Exec<'_>) -> Result<Init, Error> {
    let plan = Plan::of_exec(request)?;
    let entry = plan::membership(&plan, request.cgroup)?;
    let launch = Launch {
        plan: &plan,
        entry: entry.as_ref(),
        stdio: request.stdio,
        gate: &request.gate,
        state: State {
            oci_version: request.spec.oci_version.clone(),
            id: request.id.to_string(),
            status: Status::Running,
            bundle: String::new(),
            pid: request.pid,
            annotations: request.spec.annotations.clone(),
        },
        cloned: None,
    };
    launch::run(&launch, None)
}
