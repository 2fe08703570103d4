//! An image goes to a registry and comes from one, with a daemon that is killed at one of its
//! system calls: it is there whole or not at all, and the next attempt succeeds.

use super::operations::Operation;
use super::sampled;
use crate::registry::Registry;

/// How many numbers each operation samples: each takes a registry of its own.
const SAMPLE: u64 = 6;
const ALL: &str = "images --format {{.Repository}}";
/// An image with a layer that nothing else has.
const LAYERED: [&str; 3] = [
    "run -d --network none --name victim busybox sleep 600",
    "exec victim dd if=/dev/urandom of=/written bs=1M count=1",
    "commit victim 127.0.0.1:5000/made",
];
const PUSH: &str = "push 127.0.0.1:5000/made";
const PULL: &str = "pull -q 127.0.0.1:5000/made";
const REMOVE: &str = "rmi 127.0.0.1:5000/made";
const AFTER: &[&str] = &["rm -f victim", REMOVE];

#[test]
fn a_daemon_killed_while_it_pulls_loses_nothing() {
    const BEFORE: [&str; 5] = [LAYERED[0], LAYERED[1], LAYERED[2], PUSH, REMOVE];
    tried(&Operation {
        before: &BEFORE,
        act: PULL,
        look: ALL,
        shown: ["busybox", "127.0.0.1:5000/made busybox"],
        between: &[],
        after: AFTER,
    });
}

#[test]
fn a_daemon_killed_while_it_pushes_loses_nothing() {
    // What the registry has, the daemon can have again.
    tried(&Operation {
        before: &LAYERED,
        act: PUSH,
        look: PULL,
        shown: ["", "127.0.0.1:5000/made:latest"],
        between: &[],
        after: AFTER,
    });
}

fn tried(operation: &Operation) {
    let name = format!("daemon, {}", operation.act);
    sampled(&name, SAMPLE, &|host, at| {
        drop(std::fs::remove_dir_all(host.scratch().join("registry")));
        let registry = Registry::start(host).ok_or("no daemon that a registry could be beside")?;
        let outcome = operation.trial(host, at);
        drop(registry);
        outcome
    });
}
