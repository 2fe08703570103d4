//! The processes of a container.

use crate::error::Result;
use crate::sandbox::Sandbox;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

impl Sandbox {
    /// The processes of a container, in our pid namespace. One without a cgroup has those of its
    /// init's pid namespace, or else those that we started.
    pub(crate) fn pids(&self, id: &str) -> Result<Vec<i32>> {
        let container = self.container(id)?;
        if !container.cgroup.is_nowhere() {
            return Ok(container.cgroup.pids()?);
        }
        let keys = std::iter::once(&container.init).chain(container.execs.values());
        let started = keys.filter_map(|key| self.processes.get(key));
        let started: Vec<i32> = started
            .filter(|process| process.is_alive())
            .map(|process| process.pid)
            .collect();
        Ok(match (container.own_pids, started.first()) {
            (true, Some(init)) => in_namespace_of(*init),
            _ => started,
        })
    }
}

/// The processes in the pid namespace of `init`.
fn in_namespace_of(init: i32) -> Vec<i32> {
    let namespace = |pid: i32| {
        let file = fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?;
        Some((file.dev(), file.ino()))
    };
    let own = namespace(init);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.filter(|pid| own.is_some() && namespace(*pid) == own)
        .collect()
}
