//! Limits that cannot be kept here: discarded with a warning in docker's words, or refused.

use crate::{Error, ResourceSpec};
use cgroup::Hierarchies;
use std::path::Path;

/// What a container's processes can be limited by, as it was when the daemon started: every
/// container is looked at by this.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Containers have groups at all.
    any: bool,
    /// Controllers that limit them, by their names in version 1.
    controllers: Vec<&'static str>,
    /// The kernel gives groups weights for what they read and write.
    weighs: bool,
    /// And weights of their own for single devices.
    weighs_devices: bool,
    /// Version 2 of cgroups is all there is.
    unified: bool,
}

/// Controllers by their names in version 1 and 2.
const CONTROLLERS: [(&str, &str); 5] = [
    ("memory", "memory"),
    ("pids", "pids"),
    ("cpu", "cpu"),
    ("cpuset", "cpuset"),
    ("blkio", "io"),
];

/// A limit's controller, how it is taken back, and what is said of that. COMPAT: as dockerd.
type Limit = (&'static str, fn(&mut ResourceSpec) -> bool, &'static str);

const DISCARDED: [Limit; 9] = [
    (
        "memory",
        |r| r.memory.take().is_some() | r.memory_swap.take().is_some(),
        "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
    ),
    (
        "memory",
        |r| r.memory_reservation.take().is_some(),
        "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
    ),
    (
        "memory",
        |r| r.oom_kill_disable.take() == Some(true),
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    ),
    (
        "pids",
        |r| r.pids_limit.take().is_some_and(|most| most > 0),
        "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
    ),
    (
        "cpu",
        |r| r.cpu_shares.take().is_some(),
        "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
    ),
    (
        "cpu",
        |r| r.cpu_period.take().is_some() | r.cpu_quota.take().is_some(),
        "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
    ),
    (
        "cpu",
        |r| r.cpu_realtime_period.take().is_some() | r.cpu_realtime_runtime.take().is_some(),
        "Your kernel does not support CPU real-time scheduler. Real-time limits discarded.",
    ),
    (
        "cpuset",
        |r| {
            let set = !(r.cpuset_cpus.is_empty() && r.cpuset_mems.is_empty());
            r.cpuset_cpus.clear();
            r.cpuset_mems.clear();
            set
        },
        "Your kernel does not support cpuset or the cgroup is not mounted. CPUset discarded.",
    ),
    (
        "blkio",
        |r| {
            let rates = [
                &mut r.device_read_bps,
                &mut r.device_write_bps,
                &mut r.device_read_iops,
                &mut r.device_write_iops,
            ];
            let set = rates.into_iter().map(std::mem::take);
            set.fold(false, |set, rates| set | !rates.is_empty())
                | !std::mem::take(&mut r.blkio_weight_device).is_empty()
        },
        "Your kernel does not support Block I/O limits or the cgroup is not mounted. Block I/O limits discarded.",
    ),
];

impl Limits {
    /// What there is now.
    pub(crate) fn probe() -> Self {
        // Without any, nothing can be limited.
        let found = Hierarchies::probe().unwrap_or_else(|_| Hierarchies::none());
        Self::of(&found, is_unified())
    }

    fn of(hierarchies: &Hierarchies, unified: bool) -> Self {
        let limits =
            |names: &&(&str, &str)| hierarchies.limits(names.0) || hierarchies.limits(names.1);
        let controllers = CONTROLLERS.iter().filter(limits).map(|(name, _)| *name);
        let controllers: Vec<_> = controllers.collect();
        let weights = ["blkio.weight", "blkio.bfq.weight"];
        let is_there = |name: &str| Path::new("/sys/fs/cgroup/blkio").join(name).exists();
        let weighs = unified || weights.into_iter().any(is_there);
        Self {
            any: !hierarchies.is_empty(),
            weighs: weighs && controllers.contains(&"blkio"),
            weighs_devices: controllers.contains(&"blkio")
                && (unified || is_there("blkio.weight_device")),
            controllers,
            unified,
        }
    }

    /// Whether version 2 of cgroups is all there is.
    pub(crate) fn unified(&self) -> bool {
        self.unified
    }

    /// Whether containers have groups at all.
    pub(crate) fn any(&self) -> bool {
        self.any
    }

    /// Whether containers can be limited by a controller, by its name in version 1.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.contains(&controller)
    }

    /// Takes back what cannot be kept, with a warning for each.
    ///
    /// # Errors
    /// For a number of CPUs. COMPAT: docker refuses that alone.
    pub(crate) fn admit(
        &self,
        resources: &mut ResourceSpec,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        if resources.nano_cpus.is_some() && !self.has("cpu") {
            let words = "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted";
            return Err(Error::invalid("NanoCpus", words));
        }
        let mut discard = |discard: fn(&mut ResourceSpec) -> bool, words: &str| {
            if discard(resources) {
                warnings.push(words.to_owned());
            }
        };
        if !self.weighs {
            discard(
                |r| r.blkio_weight.take().is_some(),
                "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
            );
        }
        if !self.weighs_devices {
            discard(
                |r| !std::mem::take(&mut r.blkio_weight_device).is_empty(),
                "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
            );
        }
        if self.unified || !self.has("memory") {
            discard(
                |r| r.memory_swappiness.take().is_some(),
                "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
            );
        }
        if self.unified {
            discard(
                |r| r.oom_kill_disable.take() == Some(true),
                "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
            );
        }
        for (controller, take, words) in DISCARDED {
            if !self.has(controller) {
                discard(take, words);
            }
        }
        Ok(())
    }
}

fn is_unified() -> bool {
    const CGROUP2: i64 = 0x6367_7270;
    rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|found| found.f_type == CGROUP2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_2_lacks_is_discarded_with_a_warning() {
        let second = Limits::of(&Hierarchies::none(), true);
        let mut resources = ResourceSpec {
            memory_swappiness: Some(10),
            oom_kill_disable: Some(true),
            ..ResourceSpec::default()
        };
        let mut warnings = Vec::new();
        second.admit(&mut resources, &mut warnings).unwrap();
        assert_eq!(resources, ResourceSpec::default());
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].starts_with("Your kernel does not support OomKillDisable."));
        // Who asks for nothing is told nothing.
        resources.oom_kill_disable = Some(false);
        warnings.clear();
        second.admit(&mut resources, &mut warnings).unwrap();
        assert!(warnings.is_empty() && resources.oom_kill_disable.is_none());
    }

    #[test]
    fn without_groups_every_limit_is_discarded_and_said() {
        let none = Limits::of(&Hierarchies::none(), false);
        let mut resources = ResourceSpec {
            memory: Some(64 << 20),
            memory_swap: Some(-1),
            memory_reservation: Some(1 << 20),
            pids_limit: Some(64),
            cpu_shares: Some(2),
            cpu_quota: Some(1000),
            cpuset_cpus: "0".to_owned(),
            blkio_weight_device: vec![crate::BlockWeight {
                path: "/dev/null".to_owned(),
                weight: 100,
            }],
            ..ResourceSpec::default()
        };
        let mut warnings = Vec::new();
        none.admit(&mut resources, &mut warnings).unwrap();
        assert_eq!(resources, ResourceSpec::default());
        assert_eq!(warnings.len(), 7, "{warnings:#?}");
        let mut cpus = ResourceSpec {
            nano_cpus: Some(1),
            ..ResourceSpec::default()
        };
        let refused = none.admit(&mut cpus, &mut Vec::new()).unwrap_err();
        assert!(
            refused.to_string().contains("NanoCPUs can not be set"),
            "{refused}"
        );
    }
}
