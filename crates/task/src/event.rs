//! What happens to containers, in the order in which each shim saw it.

use types::{ContainerId, ExecId, Timestamp};

/// One transition. A shim sends it until it was acknowledged, over restarts of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The shim that saw it.
    pub sandbox: ContainerId,
    /// Its place in this shim's sequence, from 1.
    pub sequence: u64,
    /// The container it is about.
    pub container: ContainerId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// A transition of a container or of a process in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The init runs the user's program.
    Started {
        /// Its process id on the host.
        pid: u32,
    },
    /// The init ended, and all its output was written.
    Exited(ExitStatus),
    /// The kernel killed for want of memory.
    Oom,
    /// The container is frozen.
    Paused,
    /// The container runs on.
    Resumed,
    /// An executed process runs.
    ExecStarted {
        /// Which.
        exec: ExecId,
        /// Its process id on the host.
        pid: u32,
    },
    /// An executed process ended, and all its output was written.
    ExecExited {
        /// Which.
        exec: ExecId,
        /// How.
        status: ExitStatus,
    },
    /// A client sent the keys to detach.
    Detached {
        /// From which executed process; `None`: from the init.
        exec: Option<ExecId>,
    },
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// Its exit code, 128 and the signal's number if a signal ended it; `None` if nobody saw:
    /// the shim had died, and the kernel does not tell others.
    pub code: Option<u8>,
    /// When it ended, or when that was found out.
    pub at: Timestamp,
    /// The kernel killed in its cgroup for want of memory.
    pub oom_killed: bool,
}
