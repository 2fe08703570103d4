//! Version 1's files.

use super::When;
use crate::group::Group;
use crate::{Cgroup, Error};
use oci::runtime::{BlockIo, Cpu, HugepageLimit, Memory, Network, Resources};
use rustix::io::Errno;

/// Whether the limits need a hierarchy that is joined on demand only.
pub(crate) fn uses(controller: &str, resources: &Resources) -> bool {
    let network = resources.network.as_ref();
    match controller {
        "cpuset" => resources
            .cpu
            .as_ref()
            .is_some_and(|cpu| !cpu.cpus.is_empty() || !cpu.mems.is_empty()),
        "net_cls" => network.is_some_and(|network| network.class_id.is_some()),
        "net_prio" => network.is_some_and(|network| !network.priorities.is_empty()),
        _ => false,
    }
}

pub(super) fn memory(group: &Group, memory: &Memory, when: When) -> Result<(), Error> {
    if let Some(shared) = memory.use_hierarchy {
        // Since 5.11 the kernel refuses what is not shared with the groups below.
        group.write("memory.use_hierarchy", &u8::from(shared).to_string())?;
    }
    limit_and_swap(group, memory, when)?;
    if let Some(bytes) = memory.kernel_tcp {
        group.write("memory.kmem.tcp.limit_in_bytes", &bytes.to_string())?;
    }
    if let Some(bytes) = memory.reservation {
        group.write("memory.soft_limit_in_bytes", &bytes.to_string())?;
    }
    if memory.disable_oom_killer == Some(true) {
        group.write("memory.oom_control", "1")?;
    }
    match memory.swappiness {
        None => Ok(()),
        Some(percent @ 0..=100) => group.write("memory.swappiness", &percent.to_string()),
        // Callers in Go write -1 for "as it is".
        Some(u64::MAX) => Ok(()),
        Some(percent) => Err(Error::Invalid {
            field: "linux.resources.memory.swappiness",
            reason: format!("{percent} is not within 0 to 100"),
        }),
    }
}

/// The kernel refuses a limit above that of memory and swap together, so the order of the two
/// writes depends on which way they go.
fn limit_and_swap(group: &Group, memory: &Memory, when: When) -> Result<(), Error> {
    const LIMIT: &str = "memory.limit_in_bytes";
    const SWAP: &str = "memory.memsw.limit_in_bytes";
    // Zero stands for "not given" with Go's callers.
    let limit = memory.limit.filter(|bytes| *bytes != 0);
    let mut swap = memory.swap.filter(|bytes| *bytes != 0);
    if limit == Some(-1) && swap.is_none() && group.find(SWAP)?.is_some() {
        swap = Some(-1);
    }
    let set_limit = |bytes: i64| set_memory(group, LIMIT, bytes);
    let set_swap = |bytes: i64| group.write(SWAP, &bytes.to_string());
    let (Some(limit), Some(swap)) = (limit, swap) else {
        limit.map_or(Ok(()), set_limit)?;
        return swap.map_or(Ok(()), set_swap);
    };
    let present: i64 = match when {
        When::Create => i64::MAX,
        When::Update => group.read(LIMIT)?.trim_end().parse().unwrap_or(i64::MAX),
    };
    if swap == -1 || present < swap {
        set_swap(swap)?;
        set_limit(limit)
    } else {
        set_limit(limit)?;
        set_swap(swap)
    }
}

/// A limit below what is in use and cannot be reclaimed says so in numbers.
fn set_memory(group: &Group, file: &str, bytes: i64) -> Result<(), Error> {
    match group.try_write(file, &bytes.to_string()) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => {
            let usage = group.read("memory.usage_in_bytes")?;
            let peak = group.read("memory.max_usage_in_bytes")?;
            Err(Error::Invalid {
                field: "linux.resources.memory.limit",
                reason: format!(
                    "unable to set memory limit to {bytes} (current usage: {}, peak usage: {})",
                    usage.trim_end(),
                    peak.trim_end()
                ),
            })
        }
        Err(_) => group.write(file, &bytes.to_string()),
    }
}

pub(super) fn cpu(group: &Group, cpu: &Cpu) -> Result<(), Error> {
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        set_shares(group, shares)?;
    }
    let quota = cpu.quota.filter(|quota| *quota != 0);
    // A period below the present one can be refused because of the present quota.
    let mut period = cpu.period.filter(|period| *period != 0);
    if let Some(microseconds) = period
        && (quota.is_none()
            || group
                .try_write("cpu.cfs_period_us", &microseconds.to_string())
                .is_ok())
    {
        if quota.is_none() {
            group.write("cpu.cfs_period_us", &microseconds.to_string())?;
        }
        period = None;
    }
    // Likewise a burst above the present quota.
    let mut burst = cpu.burst;
    if let Some(microseconds) = burst
        && group
            .try_write("cpu.cfs_burst_us", &microseconds.to_string())
            .is_ok()
    {
        burst = None;
    }
    if let Some(quota) = quota {
        group.write("cpu.cfs_quota_us", &quota.to_string())?;
    }
    if let Some(period) = period {
        group.write("cpu.cfs_period_us", &period.to_string())?;
    }
    if let Some(burst) = burst {
        group.write("cpu.cfs_burst_us", &burst.to_string())?;
    }
    if let Some(idle) = cpu.idle {
        group.write("cpu.idle", &idle.to_string())?;
    }
    realtime(group, cpu)
}

/// The present quota and period.
pub(super) fn time(group: &Group) -> Result<(Option<i64>, Option<u64>), Error> {
    let quota = group.read("cpu.cfs_quota_us")?;
    let period = group.read("cpu.cfs_period_us")?;
    Ok((
        quota.trim_end().parse().ok(),
        period.trim_end().parse().ok(),
    ))
}

/// The kernel clamps shares silently; the caller shall know.
fn set_shares(group: &Group, shares: u64) -> Result<(), Error> {
    group.write("cpu.shares", &shares.to_string())?;
    if (2..=262_144).contains(&shares) {
        return Ok(());
    }
    let set: u64 = group
        .read("cpu.shares")?
        .trim_end()
        .parse()
        .unwrap_or(shares);
    let bound = if shares > set { "maximum" } else { "minimum" };
    if set == shares {
        return Ok(());
    }
    Err(Error::Invalid {
        field: "linux.resources.cpu.shares",
        reason: format!("the {bound} allowed cpu-shares is {set}"),
    })
}

fn realtime(group: &Group, cpu: &Cpu) -> Result<(), Error> {
    let period = cpu.realtime_period.filter(|period| *period != 0);
    let runtime = cpu.realtime_runtime.filter(|runtime| *runtime != 0);
    let set_period = || match period {
        Some(period) => group.write("cpu.rt_period_us", &period.to_string()),
        None => Ok(()),
    };
    let Some(runtime) = runtime else {
        return set_period();
    };
    // The kernel refuses a period that is too short for the runtime there was.
    let refused = match set_period() {
        Err(Error::Write { source, .. })
            if source.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
        {
            true
        }
        set => {
            set?;
            false
        }
    };
    group.write("cpu.rt_runtime_us", &runtime.to_string())?;
    if refused { set_period() } else { Ok(()) }
}

pub(super) fn block_io(group: &Group, block: &BlockIo) -> Result<(), Error> {
    // The scheduler with weights is CFQ in old kernels, BFQ in newer ones.
    let bfq = |cfq: &'static str, bfq: &'static str| match group.find(cfq) {
        Ok(None) => bfq,
        _ => cfq,
    };
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        group.write(bfq("blkio.weight", "blkio.bfq.weight"), &weight.to_string())?;
    }
    if let Some(weight) = block.leaf_weight.filter(|weight| *weight != 0) {
        group.write("blkio.leaf_weight", &weight.to_string())?;
    }
    for device in &block.weight_device {
        let (major, minor) = (device.major, device.minor);
        if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
            let file = bfq("blkio.weight_device", "blkio.bfq.weight_device");
            group.write(file, &format!("{major}:{minor} {weight}"))?;
        }
        if let Some(weight) = device.leaf_weight.filter(|weight| *weight != 0) {
            group.write(
                "blkio.leaf_weight_device",
                &format!("{major}:{minor} {weight}"),
            )?;
        }
    }
    for (file, devices) in [
        (
            "blkio.throttle.read_bps_device",
            &block.throttle_read_bps_device,
        ),
        (
            "blkio.throttle.write_bps_device",
            &block.throttle_write_bps_device,
        ),
        (
            "blkio.throttle.read_iops_device",
            &block.throttle_read_iops_device,
        ),
        (
            "blkio.throttle.write_iops_device",
            &block.throttle_write_iops_device,
        ),
    ] {
        for device in devices {
            let line = format!("{}:{} {}", device.major, device.minor, device.rate);
            group.write(file, &line)?;
        }
    }
    Ok(())
}

pub(super) fn hugepage(group: &Group, limit: &HugepageLimit) -> Result<(), Error> {
    let value = limit.limit.to_string();
    group.write(
        &format!("hugetlb.{}.limit_in_bytes", limit.page_size),
        &value,
    )?;
    let reserved = format!("hugetlb.{}.rsvd.limit_in_bytes", limit.page_size);
    match group.try_write(&reserved, &value) {
        // Since 5.7.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(_) => group.write(&reserved, &value),
    }
}

/// Only version 1 has marks on packets; version 2 does that in BPF.
pub(super) fn network(cgroup: &Cgroup, network: &Network) -> Result<(), Error> {
    if let Some(class) = network.class_id {
        let group = cgroup.need("net_cls", "linux.resources.network.classID")?;
        group.write("net_cls.classid", &class.to_string())?;
    }
    for interface in &network.priorities {
        let group = cgroup.need("net_prio", "linux.resources.network.priorities")?;
        let line = format!("{} {}", interface.name, interface.priority);
        group.write("net_prio.ifpriomap", &line)?;
    }
    Ok(())
}

/// A new cpuset is empty, and nothing can join it: takes what the group above has.
pub(crate) fn fill_cpuset(group: &Group) -> Result<(), Error> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        inherit(&group.path, file)?;
    }
    Ok(())
}

/// Copies a file's value from the nearest group above that has one.
fn inherit(path: &std::path::Path, file: &str) -> Result<String, Error> {
    let whole = path.join(file);
    let text = std::fs::read_to_string(&whole).map_err(Error::io("read", &whole))?;
    if !text.trim_end().is_empty() {
        return Ok(text);
    }
    let above = path.parent().unwrap_or(path);
    let text = inherit(above, file)?;
    std::fs::write(&whole, text.trim_end()).map_err(|source| Error::Write {
        value: text.trim_end().to_owned(),
        path: whole,
        source,
    })?;
    Ok(text)
}
