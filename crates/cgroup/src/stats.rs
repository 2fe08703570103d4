//! What a group uses. The document is the one that `runc events` writes, as callers parse it.

mod read;
mod v1;
mod v2;

use crate::{Cgroup, Error, resctrl};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a group uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// CPU time.
    pub cpu: Cpu,
    /// CPUs and memory nodes.
    pub cpuset: Cpuset,
    /// Memory, in bytes.
    pub memory: Memory,
    /// Number of tasks.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// Huge pages by size.
    pub hugetlb: BTreeMap<String, Hugetlb>,
    /// The class of service.
    pub intel_rdt: resctrl::Stats,
}

/// CPU time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// How much was used.
    pub usage: CpuUsage,
    /// How often and long it was held back.
    pub throttling: Throttling,
    /// How long tasks waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// CPU time in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All of it.
    pub total: u64,
    /// By CPU; only version 1 knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// In the kernel, by CPU; only version 1 knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// In programs, by CPU; only version 1 knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
}

/// How the quota held tasks back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Throttling {
    /// Periods in which tasks ran.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Nanoseconds waited.
    pub throttled_time: u64,
}

/// CPUs and memory nodes, of version 1's `cpuset`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpuset {
    /// CPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    /// Whether siblings share no CPU.
    pub cpu_exclusive: u64,
    /// Memory nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    /// Whether kernel memory is confined too.
    pub mem_hardwall: u64,
    /// Whether siblings share no node.
    pub mem_exclusive: u64,
    /// Whether pages move when the nodes change.
    pub memory_migrate: u64,
    /// Whether page cache is spread.
    pub memory_spread_page: u64,
    /// Whether slabs are spread.
    pub memory_spread_slab: u64,
    /// How hard it is to find memory.
    pub memory_pressure: u64,
    /// Whether load is balanced.
    pub sched_load_balance: u64,
    /// How far load is balanced.
    pub sched_relax_domain_level: i64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Page cache.
    pub cache: u64,
    /// Memory.
    pub usage: Counter,
    /// Memory and swap together.
    pub swap: Counter,
    /// Kernel memory; only version 1 knows.
    pub kernel: Counter,
    /// TCP buffers; only version 1 knows.
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Counter,
    /// `memory.stat` as it is.
    pub raw: BTreeMap<String, u64>,
    /// How long tasks waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// A use and its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counter {
    /// The most allowed.
    pub limit: u64,
    /// Now.
    pub usage: u64,
    /// The most there was.
    pub max: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// Number of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// Now.
    pub current: u64,
    /// The most allowed, 0 for any number.
    pub limit: u64,
}

/// Block devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Blkio {
    /// Bytes, by device and operation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Operations, by device and operation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// How long tasks waited for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// A number about a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// `Read`, `Write` and so on.
    pub op: String,
    /// The number.
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hugetlb {
    /// Now.
    pub usage: u64,
    /// The most there was.
    pub max: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// Pressure stall information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    /// While some tasks waited.
    pub some: Stall,
    /// While all did.
    pub full: Stall,
}

/// Shares of time in percent over the last seconds, and microseconds in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stall {
    /// Of 10 seconds.
    pub avg10: f64,
    /// Of 60 seconds.
    pub avg60: f64,
    /// Of 300 seconds.
    pub avg300: f64,
    /// Microseconds.
    pub total: u64,
}

impl Cgroup {
    /// What the group uses now. What this kernel does not count stays zero.
    pub fn stats(&self) -> Result<Stats, Error> {
        let mut stats = Stats::default();
        if let Some(group) = self.group("") {
            v2::read(group, &mut stats)?;
        }
        // Where both versions count, version 1 has the controller and is right.
        for (controller, read) in v1::READERS {
            if let Some(group) = self.group(controller) {
                read(group, &mut stats)?;
            }
        }
        if let Some(class) = &self.class {
            stats.intel_rdt = class.stats()?;
        }
        Ok(stats)
    }

    /// How many processes were killed for lack of memory.
    pub fn oom_kills(&self) -> Result<u64, Error> {
        let (group, file) = match (self.group("memory"), self.group("")) {
            (Some(group), _) => (group, "memory.oom_control"),
            (None, Some(group)) => (group, "memory.events"),
            (None, None) => return Ok(0),
        };
        let text = group.find(file)?.unwrap_or_default();
        Ok(read::value(&text, "oom_kill"))
    }
}
