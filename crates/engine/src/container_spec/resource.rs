//! What a container may use.

use super::{Device, DeviceRule};
use serde::{Deserialize, Serialize};

/// What a container may use; `None` is the kernel's default, mostly no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceSpec {
    /// The cgroup under which its own is made; empty: the daemon's.
    pub cgroup_parent: String,
    /// CPU weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Billionths of a CPU; stands for period and quota.
    pub nano_cpus: Option<u64>,
    /// CPU period in microseconds.
    pub cpu_period: Option<u64>,
    /// CPU time in each period in microseconds; negative: no limit.
    pub cpu_quota: Option<i64>,
    /// Real-time CPU period in microseconds; the kernel says which it takes.
    pub cpu_realtime_period: Option<u64>,
    /// Real-time CPU time in each period in microseconds.
    pub cpu_realtime_runtime: Option<i64>,
    /// CPUs it may run on, `0-3,5`.
    pub cpuset_cpus: String,
    /// Memory nodes it may use.
    pub cpuset_mems: String,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Memory and swap in bytes; -1: no limit of swap.
    pub memory_swap: Option<i64>,
    /// Memory to fall back to under pressure, in bytes.
    pub memory_reservation: Option<u64>,
    /// How readily it swaps, 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// TCP buffer memory in bytes (cgroup v1).
    pub kernel_memory_tcp: Option<i64>,
    /// The kernel does not kill it for want of memory.
    pub oom_kill_disable: Option<bool>,
    /// How readily the kernel kills it, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// How many processes; zero or negative: no limit.
    pub pids_limit: Option<i64>,
    /// Block I/O weight, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Block I/O weight by device.
    pub blkio_weight_device: Vec<BlockWeight>,
    /// Bytes read a second, by device.
    pub device_read_bps: Vec<BlockRate>,
    /// Bytes written a second, by device.
    pub device_write_bps: Vec<BlockRate>,
    /// Reads a second, by device.
    pub device_read_iops: Vec<BlockRate>,
    /// Writes a second, by device.
    pub device_write_iops: Vec<BlockRate>,
    /// Devices it may use.
    pub devices: Vec<Device>,
    /// Rules of the device cgroup.
    pub device_cgroup_rules: Vec<DeviceRule>,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
}

/// A limit of each process, `nofile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Its name without `RLIMIT_`, in lower case.
    pub name: String,
    /// The limit that applies; -1: none.
    pub soft: i64,
    /// The bound of the limit; -1: none.
    pub hard: i64,
}

/// A rate for a block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRate {
    /// The device's path on the host.
    pub path: String,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// A weight for a block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockWeight {
    /// The device's path on the host.
    pub path: String,
    /// 10 to 1000.
    pub weight: u16,
}

/// New limits of block devices; those of a kind that is `None` stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockDevices {
    /// Weights.
    pub weights: Option<Vec<BlockWeight>>,
    /// Bytes read a second.
    pub read_bps: Option<Vec<BlockRate>>,
    /// Bytes written a second.
    pub write_bps: Option<Vec<BlockRate>>,
    /// Reads a second.
    pub read_iops: Option<Vec<BlockRate>>,
    /// Writes a second.
    pub write_iops: Option<Vec<BlockRate>>,
}

/// BFQ's weight of who has none.
const NO_WEIGHT: u16 = 100;

impl BlockDevices {
    /// What is to be written so that they hold in the place of `old`: those that are gone are
    /// without a limit.
    pub(crate) fn over(&self, old: &ResourceSpec) -> ResourceSpec {
        let rates = |new: &Option<Vec<BlockRate>>, old: &[BlockRate]| {
            let Some(new) = new else {
                return Vec::new();
            };
            let gone = |old: &&BlockRate| new.iter().all(|new| new.path != old.path);
            let gone = old.iter().filter(gone).map(|old| BlockRate {
                path: old.path.clone(),
                rate: 0,
            });
            new.iter().cloned().chain(gone).collect()
        };
        let weights = self.weights.iter().flat_map(|new| {
            let gone = |old: &&BlockWeight| new.iter().all(|new| new.path != old.path);
            let gone = old.blkio_weight_device.iter().filter(gone);
            let gone = gone.map(|device| BlockWeight {
                path: device.path.clone(),
                weight: old.blkio_weight.unwrap_or(NO_WEIGHT),
            });
            new.iter().cloned().chain(gone).collect::<Vec<_>>()
        });
        ResourceSpec {
            blkio_weight_device: weights.collect(),
            device_read_bps: rates(&self.read_bps, &old.device_read_bps),
            device_write_bps: rates(&self.write_bps, &old.device_write_bps),
            device_read_iops: rates(&self.read_iops, &old.device_read_iops),
            device_write_iops: rates(&self.write_iops, &old.device_write_iops),
            ..ResourceSpec::default()
        }
    }
}

impl ResourceSpec {
    /// Takes over the limits of block devices that are given.
    pub(crate) fn take_devices(&mut self, new: &BlockDevices) {
        let take = |own: &mut Vec<BlockRate>, new: &Option<Vec<BlockRate>>| {
            if let Some(new) = new {
                own.clone_from(new);
            }
        };
        take(&mut self.device_read_bps, &new.read_bps);
        take(&mut self.device_write_bps, &new.write_bps);
        take(&mut self.device_read_iops, &new.read_iops);
        take(&mut self.device_write_iops, &new.write_iops);
        if let Some(weights) = &new.weights {
            self.blkio_weight_device.clone_from(weights);
        }
    }

    /// Takes over what `new` gives; the rest stays.
    pub(crate) fn take(&mut self, new: &Self) {
        macro_rules! options {
            ($($field:ident)*) => { $( if new.$field.is_some() { self.$field = new.$field; } )* };
        }
        macro_rules! lists {
            ($($field:ident)*) => {
                $( if !new.$field.is_empty() { self.$field.clone_from(&new.$field); } )*
            };
        }
        if new.nano_cpus.is_some() {
            (self.cpu_period, self.cpu_quota) = (None, None);
        }
        if new.cpu_period.is_some() || new.cpu_quota.is_some() {
            self.nano_cpus = None;
        }
        options! {
            cpu_shares nano_cpus cpu_period cpu_quota cpu_realtime_period cpu_realtime_runtime
            memory memory_swap memory_reservation memory_swappiness kernel_memory_tcp
            oom_kill_disable pids_limit blkio_weight
        }
        lists! {
            cpuset_cpus cpuset_mems
        }
    }
}
