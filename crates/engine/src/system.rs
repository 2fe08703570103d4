//! The engine as a whole.

use crate::context::Context;
use crate::{Config, Defaults, Status};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

/// How many containers do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub containers: usize,
    /// Those that run.
    pub running: usize,
    /// Those that are frozen.
    pub paused: usize,
    /// The others.
    pub stopped: usize,
}

/// The engine as a whole. Clones are the same.
#[derive(Clone, Debug)]
pub struct System {
    context: Arc<Context>,
}

impl System {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Whether containers have cgroups.
    pub fn has_cgroups(&self) -> bool {
        self.context.limits.any()
    }

    /// Whether containers can be limited by a controller of cgroups, by its name in version 1.
    pub fn limits(&self, controller: &str) -> bool {
        self.context.limits.has(controller)
    }

    /// What is to be said to whoever asks about the daemon: others' chains that drop what
    /// containers forward.
    pub fn barriers(&self) -> Vec<String> {
        let found = net::firewall::Barrier::all().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    /// Whether the daemon is root of a user's namespace, and not of the host.
    pub fn is_rootless(&self) -> bool {
        sys::namespace::maps_users()
    }

    /// How the daemon is set up.
    pub fn config(&self) -> &Config {
        &self.context.config
    }

    /// What containers have that say nothing of it.
    pub fn defaults(&self) -> Arc<Defaults> {
        self.context.defaults()
    }

    /// Gives this to containers from now on that say nothing of it.
    pub fn set_defaults(&self, defaults: Defaults) {
        let held = self.context.defaults.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(defaults);
    }

    /// How many containers do what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for container in self.context.index.snapshots() {
            counts.containers += 1;
            match container.state.status {
                Status::Running | Status::Restarting => counts.running += 1,
                Status::Paused => counts.paused += 1,
                _ => counts.stopped += 1,
            }
        }
        counts
    }

    /// How often containers' health was asked for, and how often it was bad.
    pub fn probes(&self) -> (u64, u64) {
        let [probes, failed] = &self.context.probes;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(probes), read(failed))
    }

    /// Nanoseconds of processor time that the machine has had, on all processors together,
    /// against which a container's share is reckoned; 0 if it cannot be read.
    pub fn cpu_time(&self) -> u64 {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let words = stat.lines().next().unwrap_or_default().split_whitespace();
        // The first word is a name; guests' time is in user's already.
        let ticks: u64 = words
            .skip(1)
            .take(8)
            .filter_map(|word| word.parse::<u64>().ok())
            .sum();
        // Linux fixes the tick that programs see at a hundredth of a second.
        ticks * 10_000_000
    }

    /// Whether no container lives and no restart is due: the daemon may exit if nobody is
    /// connected.
    pub fn is_idle(&self) -> bool {
        let snapshots = self.context.index.snapshots();
        !snapshots
            .iter()
            .any(|container| container.state.status.is_live())
    }
}
