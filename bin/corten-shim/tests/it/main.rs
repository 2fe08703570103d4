//! The built shim under the daemon's own client, with busybox as its containers' root.
//!
//! Needs root and `busybox` (static); makes its own directories, cgroups and namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_debug_implementations,
    reason = "clippy sees tests in functions marked #[test] only, not in what they share"
)]

mod host;
mod idle;
mod lifecycle;
mod streams;
mod task_api;
