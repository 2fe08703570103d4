//! The files that a shim keeps about itself and its containers: docs/formats/shim.md.

use serde::{Deserialize, Serialize};

/// The version of every document here.
pub const VERSION: u32 = 1;
/// The shim's socket, in its sandbox's run directory.
pub const SOCKET: &str = "shim.sock";
/// The file of [`Shim`], in its sandbox's run directory.
pub const SHIM: &str = "shim.json";
/// The file of [`Container`], in the container's bundle below that.
pub const CONTAINER: &str = "container.json";
/// The file of [`Container`] while that is only prepared for.
pub const PREPARED: &str = "prepared.json";
/// The OCI configuration, in the container's bundle.
pub const CONFIG: &str = "config.json";
/// The compiled filter of system calls, in the container's bundle, if it was given so.
pub const SECCOMP: &str = "seccomp.bpf";
/// The file of [`Exit`], in the container's own directory.
pub const EXIT: &str = "exit.json";

/// A process for as long as the machine is up: its number alone is used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The number in the host's pid namespace.
    pub pid: i32,
    /// When it was started, in clock ticks after boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
}

/// Who runs a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shim {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the service at [`SOCKET`].
    pub service: u32,
    /// The sandbox's id.
    pub sandbox: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The shim.
    pub process: Identity,
}

/// A container of a sandbox; `C` is where its cgroup is found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container<C> {
    /// [`VERSION`].
    pub version: u32,
    /// Its id.
    pub id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Its init; absent while that is being made.
    pub init: Option<Identity>,
    /// When it was started, in nanoseconds since 1970; absent while it waits.
    pub started_at: Option<u64>,
    /// Its own directory, which gets the exit record.
    pub directory: Option<String>,
    /// Its cgroup.
    pub cgroup: C,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// [`VERSION`].
    pub version: u32,
    /// The container's id.
    pub id: String,
    /// Its init's number.
    pub pid: i32,
    /// When it was started, in nanoseconds since 1970; absent if it never was.
    pub started_at: Option<u64>,
    /// When it ended, or when that was found out, in nanoseconds since 1970.
    pub exited_at: u64,
    /// The exit code, 128 and the signal's number if one ended it; absent: nobody saw it.
    pub code: Option<u8>,
    /// The kernel killed in its cgroup for want of memory.
    pub oom_killed: bool,
}
