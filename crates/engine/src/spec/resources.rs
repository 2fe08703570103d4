//! The cgroup's limits.

use super::devices;
use crate::{BlockRate, ContainerSpec, Error, ResourceSpec};
use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources, ThrottleDevice, WeightDevice};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Microseconds of the period that stands for `NanoCpus`.
const PERIOD: u64 = 100_000;

pub(super) fn of(spec: &ContainerSpec) -> Result<Resources, Error> {
    Ok(Resources {
        devices: devices::rules(spec)?,
        ..limits(&spec.resources)?
    })
}

/// The limits that an update gives; devices stay as they are.
pub(crate) fn update(spec: &ResourceSpec) -> Result<Resources, Error> {
    limits(spec)
}

fn limits(spec: &ResourceSpec) -> Result<Resources, Error> {
    let some = |has: bool| has.then_some(());
    let memory = memory(spec);
    let cpu = cpu(spec);
    let block_io = block_io(spec)?;
    Ok(Resources {
        memory: some(memory != Memory::default()).map(|()| memory),
        cpu: some(cpu != Cpu::default()).map(|()| cpu),
        block_io: some(block_io != BlockIo::default()).map(|()| block_io),
        pids: spec.pids_limit.map(|limit| Pids {
            limit: Some(if limit > 0 { limit } else { -1 }),
        }),
        ..Resources::default()
    })
}

fn memory(spec: &ResourceSpec) -> Memory {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let limit = spec.memory.map(signed);
    Memory {
        limit,
        reservation: spec.memory_reservation.map(signed),
        // COMPAT: without a word about swap, Docker allows as much of it as of memory.
        swap: match (spec.memory_swap.filter(|swap| *swap != 0), limit) {
            (Some(swap), _) => Some(swap),
            (None, Some(limit)) => Some(limit.saturating_mul(2)),
            (None, None) => None,
        },
        kernel_tcp: spec.kernel_memory_tcp.filter(|limit| *limit != 0),
        swappiness: spec.memory_swappiness,
        disable_oom_killer: spec.oom_kill_disable.filter(|disable| *disable),
        ..Memory::default()
    }
}

fn cpu(spec: &ResourceSpec) -> Cpu {
    let mut cpu = Cpu {
        shares: spec.cpu_shares,
        period: spec.cpu_period,
        quota: spec.cpu_quota,
        realtime_period: spec.cpu_realtime_period,
        realtime_runtime: spec.cpu_realtime_runtime,
        cpus: spec.cpuset_cpus.clone(),
        mems: spec.cpuset_mems.clone(),
        ..Cpu::default()
    };
    if let Some(nano) = spec.nano_cpus {
        cpu.period = Some(PERIOD);
        cpu.quota = i64::try_from(nano.saturating_mul(PERIOD / 1_000) / 1_000_000).ok();
    }
    cpu
}

fn block_io(spec: &ResourceSpec) -> Result<BlockIo, Error> {
    let weight = |device: &crate::BlockWeight| {
        let (major, minor) = block_device(&device.path)?;
        Ok(WeightDevice {
            major,
            minor,
            weight: Some(device.weight),
            leaf_weight: None,
        })
    };
    let weights = spec.blkio_weight_device.iter().map(weight);
    Ok(BlockIo {
        weight: spec.blkio_weight,
        weight_device: weights.collect::<Result<_, Error>>()?,
        throttle_read_bps_device: throttles(&spec.device_read_bps)?,
        throttle_write_bps_device: throttles(&spec.device_write_bps)?,
        throttle_read_iops_device: throttles(&spec.device_read_iops)?,
        throttle_write_iops_device: throttles(&spec.device_write_iops)?,
        ..BlockIo::default()
    })
}

fn throttles(rates: &[BlockRate]) -> Result<Vec<ThrottleDevice>, Error> {
    let throttle = |rate: &BlockRate| {
        let (major, minor) = block_device(&rate.path)?;
        Ok(ThrottleDevice {
            major,
            minor,
            rate: rate.rate,
        })
    };
    rates.iter().map(throttle).collect()
}

fn block_device(path: &str) -> Result<(i64, i64), Error> {
    let unmet = |reason: String| Error::unmet("HostConfig.Blkio", reason);
    // COMPAT: in Go's words.
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unmet(format!("stat {path}: no such file or directory")),
        _ => unmet(format!("stat {path}: {error}")),
    })?;
    if !metadata.file_type().is_block_device() {
        return Err(unmet(format!("{path} is no block device")));
    }
    let number = metadata.rdev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    Ok((major.into(), minor.into()))
}
