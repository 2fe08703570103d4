//! What a container or an executed process is started from, and what is known of it then.

use crate::{Attach, ExitStatus};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use types::{ContainerId, ExecId, Rootfs, Timestamp};

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// What becomes of a process's stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinPolicy {
    /// `/dev/null`.
    Null,
    /// A pipe that stays open when attached clients go: Docker's `OpenStdin`.
    Open,
    /// A pipe that ends with the first attached client's stdin: Docker's `StdinOnce`.
    Once,
}

/// A container to be made.
#[derive(Debug)]
pub struct Create {
    /// The sandbox it belongs to, which has one shim; a plain container is a sandbox of its own,
    /// and gives its own id.
    pub sandbox: ContainerId,
    /// Its id.
    pub id: ContainerId,
    /// What it is. `process.terminal` and `process.console_size` decide about a terminal.
    pub spec: oci::runtime::Spec,
    /// Its root file system, not mounted yet.
    pub rootfs: Rootfs,
    /// Mounts of its topmost layers, in their order, that need not be made again.
    pub layers: Vec<Arc<OwnedFd>>,
    /// Stdin; on a terminal anything but [`StdinPolicy::Null`] keeps it writable.
    pub stdin: StdinPolicy,
    /// Where output is logged; on a terminal all of it is `stdout`.
    pub log: logs::Config,
    /// It is removed by its end, so that nobody asks after a loss of power how it ended.
    pub auto_remove: bool,
    /// Clients attached before the first byte.
    pub attach: Vec<Attach>,
    /// A pipe: its program runs once a byte comes out of it. If it ends without one,
    /// [`Tasks::run`](crate::Tasks::run) fails and nothing is left.
    pub promise: Option<OwnedFd>,
}

/// A further process in a running container.
#[derive(Debug)]
pub struct Exec {
    /// The container.
    pub container: ContainerId,
    /// The process's id in it.
    pub id: ExecId,
    /// What it is; `terminal` and `console_size` decide about a terminal.
    pub process: oci::runtime::Process,
    /// Stdin; an executed process's output is not logged.
    pub stdin: StdinPolicy,
    /// Clients attached before the first byte.
    pub attach: Vec<Attach>,
}

/// A process that was started (or, after [`Tasks::create`](crate::Tasks::create), waits to be).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its process id on the host.
    pub pid: u32,
    /// When it was started; `None` while it waits.
    pub started: Option<Timestamp>,
}

/// A container found after a restart of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its sandbox.
    pub sandbox: ContainerId,
    /// Its id.
    pub id: ContainerId,
    /// What it does.
    pub state: AdoptedState,
    /// Executed processes that live still.
    pub execs: Vec<(ExecId, u32)>,
}

/// What a container found after a restart does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdoptedState {
    /// Made and not started.
    Created {
        /// Its process id on the host.
        pid: u32,
    },
    /// Running, or paused.
    Running {
        /// Its process id on the host.
        pid: u32,
        /// When it was started.
        started: Timestamp,
        /// It is frozen.
        paused: bool,
    },
    /// Ended, while nobody looked or before.
    Exited {
        /// How.
        status: ExitStatus,
        /// When it was started, if that is known.
        started: Option<Timestamp>,
    },
}
