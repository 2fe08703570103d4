//! The engine over real supervisors: needs root, busybox, and the built `corten-shim` and
//! `corten-unpack` next to the tests.
#![cfg(test)]

mod attach;
mod durable;
mod exec;
mod host;
mod lifecycle;
mod limits;
mod restart;
mod systemd;
mod takeover;
mod users;
