//! A container out of namespaces, cgroups, mounts and seccomp; and processes that join it.
//!
//! It knows how an OCI configuration becomes a process: a plan made before the clone, then an
//! ordered list of named steps (`steps`) that the child runs without allocating, up to a gate
//! at which it waits for its start. It must not know who asked, nor where state is kept: the
//! shim and the runtime are its two users. Read first: [`Create`], [`Init`], [`Exec`].
//!
//! ```text
//! create() ── plan ── clone3 ──┬── child: steps ── ready ── gate ── exec
//!                              └── parent: maps, hooks, console ── Init ── start()
//! ```

mod accounts;
mod begun;
mod channel;
mod create;
mod error;
mod exec;
mod fault;
pub mod files;
mod gate;
mod guard;
pub mod hooks;
mod init;
mod launch;
mod plan;
mod rootfs;
mod stdio;
mod steps;
mod stock;
mod target;
mod targets;
mod users;

pub use begun::Begun;
pub use create::{Create, Told, create};
pub use error::Error;
pub use exec::{Exec, exec};
#[doc(hidden)]
pub use fault::injection;
pub use gate::{Gate, Waiting, start};
#[doc(hidden)]
pub use guard::Guard;
pub use init::Init;
pub use plan::{initial_cpus, owner_of_cgroup};
pub use stdio::Stdio;
pub use steps::names as step_names;
pub use stock::{Stock, bare, detached};
pub use targets::make_targets;
pub use users::{Owned, network_of, write_maps};
