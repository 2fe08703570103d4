//! The built executables from outside: what people and their scripts rely on.
//!
//! With `CORTEN_TEST_HOST=unix:///path` the tests that need no places of their own run against
//! that daemon instead: a dockerd must pass them too.

#![allow(
    clippy::unwrap_used,
    reason = "a test's way to fail is to panic, in its helpers too"
)]

mod artifacts;
mod attach;
mod attacks;
mod changes;
mod concurrency;
mod config_networks;
mod copy;
mod disks;
mod docker_cli;
mod endpoints;
mod errors;
mod events;
mod exec;
mod exit_codes;
mod filesystem;
mod gateways;
mod health;
mod help;
mod images;
mod import;
mod inspect;
mod ipc;
mod kernel_modules;
mod kills;
mod limits;
mod links;
mod list;
mod load;
mod log_drivers;
mod logs;
mod names;
mod nested;
mod networks;
mod pressure;
mod reachability;
mod real_input;
mod registry;
mod remove;
mod rootless;
mod run;
mod scale;
mod search;
mod security;
mod self_start;
mod space;
mod spare;
mod stop;
mod storage;
mod streams;
mod system;
mod tcp;
mod terminal;
mod update;
mod userns;
mod versions;
mod volumes;
mod wait;
mod websocket;

use testing::TestHost;

/// A name that no other test uses, on a daemon that others use too.
fn unique(base: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{base}-{}-{number}", std::process::id())
}

/// A container that is removed when the test is over; one of ours would go with its host.
struct Running<'a> {
    host: &'a TestHost,
    id: String,
}

impl<'a> Running<'a> {
    fn new(host: &'a TestHost, args: &[&str]) -> Self {
        let id = host.run_detached(args);
        Self { host, id }
    }

    fn sleeping(host: &'a TestHost) -> Self {
        Self::new(host, &["busybox", "sleep", "600"])
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.host.cli(&["rm", "-f", &self.id]));
    }
}
