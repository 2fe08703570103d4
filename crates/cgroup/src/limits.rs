//! The limits of the OCI documents, written to whichever hierarchy has their controller.

pub(crate) mod v1;
pub(crate) mod v2;

use crate::{Cgroup, Error, devices};
use oci::runtime::Resources;

/// When limits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Into a group that was just made: it has every default.
    Create,
    /// Into a group that is in use: order and present values matter.
    Update,
}

/// Writes every limit that is given.
pub(crate) fn apply(cgroup: &Cgroup, resources: &Resources, when: When) -> Result<(), Error> {
    if when == When::Create && cgroup.devices.as_ref() != Some(&resources.devices) {
        devices::apply(cgroup, &resources.devices)?;
    }
    if let Some(pids) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        let group = target(cgroup, "pids", "linux.resources.pids.limit")?;
        group.0.write("pids.max", &pids_value(pids))?;
    }
    if let Some(memory) = &resources.memory {
        match target(cgroup, "memory", "linux.resources.memory") {
            Ok((group, Format::V1)) => v1::memory(group, memory, when)?,
            Ok((group, Format::V2)) => v2::memory(group, memory)?,
            Err(error) if *memory != oci::runtime::Memory::default() => return Err(error),
            Err(_) => {}
        }
    }
    if let Some(cpu) = &resources.cpu {
        cpu_time(cgroup, cpu)?;
        cpu_places(cgroup, cpu)?;
    }
    if let Some(block) = &resources.block_io
        && *block != oci::runtime::BlockIo::default()
    {
        match target_any(cgroup, &["blkio", "io"], "linux.resources.blockIO")? {
            (group, Format::V1) => v1::block_io(group, block)?,
            (group, Format::V2) => v2::block_io(group, block)?,
        }
    }
    for limit in &resources.hugepage_limits {
        match target(cgroup, "hugetlb", "linux.resources.hugepageLimits")? {
            (group, Format::V1) => v1::hugepage(group, limit)?,
            (group, Format::V2) => v2::hugepage(group, limit)?,
        }
    }
    for (device, limit) in &resources.rdma {
        let (group, _) = target(cgroup, "rdma", "linux.resources.rdma")?;
        group.write("rdma.max", &rdma_value(device, limit))?;
    }
    if let Some(network) = &resources.network {
        v1::network(cgroup, network)?;
    }
    v2::unified(cgroup, &resources.unified)
}

/// Refuses a limit on memory that is below what is used, where that was asked for.
pub(crate) fn check(cgroup: &Cgroup, resources: &Resources) -> Result<(), Error> {
    match (&resources.memory, cgroup.group("")) {
        (Some(memory), Some(group)) if memory.check_before_update == Some(true) => {
            v2::check_usage(group, memory)
        }
        _ => Ok(()),
    }
}

/// The limits with quota and period both, where one is given: systemd is told their ratio.
pub(crate) fn with_present_time(
    cgroup: &Cgroup,
    resources: &Resources,
) -> Result<Resources, Error> {
    let mut known = resources.clone();
    let set = |value: Option<u64>| value.is_some_and(|value| value != 0);
    let Some(cpu) = &mut known.cpu else {
        return Ok(known);
    };
    let given = (set(cpu.quota.map(i64::unsigned_abs)), set(cpu.period));
    if given.0 == given.1 {
        return Ok(known);
    }
    let (quota, period) = match target(cgroup, "cpu", "linux.resources.cpu")? {
        (group, Format::V1) => v1::time(group)?,
        (group, Format::V2) => v2::time(group)?,
    };
    if !given.0 {
        cpu.quota = quota;
    }
    if !given.1 {
        cpu.period = period;
    }
    Ok(known)
}

/// How a controller's files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    V1,
    V2,
}

/// The group with a controller of the same name in both versions.
fn target<'a>(
    cgroup: &'a Cgroup,
    controller: &'static str,
    limit: &'static str,
) -> Result<(&'a crate::group::Group, Format), Error> {
    target_any(cgroup, &[controller], limit)
}

/// The group with a controller, whose name in version 2 comes last.
fn target_any<'a>(
    cgroup: &'a Cgroup,
    controllers: &[&'static str],
    limit: &'static str,
) -> Result<(&'a crate::group::Group, Format), Error> {
    for controller in controllers {
        if let Some(group) = cgroup.group(controller) {
            return Ok((group, Format::V1));
        }
    }
    let controller = controllers.last().copied().unwrap_or_default();
    if let Some(group) = cgroup.group("")
        && v2::has_controller(group, controller)?
    {
        return Ok((group, Format::V2));
    }
    Err(Error::NoController { limit, controller })
}

fn cpu_time(cgroup: &Cgroup, cpu: &oci::runtime::Cpu) -> Result<(), Error> {
    let places_only = oci::runtime::Cpu {
        cpus: cpu.cpus.clone(),
        mems: cpu.mems.clone(),
        ..Default::default()
    };
    if *cpu == places_only {
        return Ok(());
    }
    match target(cgroup, "cpu", "linux.resources.cpu")? {
        (group, Format::V1) => v1::cpu(group, cpu),
        (group, Format::V2) => v2::cpu(group, cpu),
    }
}

fn cpu_places(cgroup: &Cgroup, cpu: &oci::runtime::Cpu) -> Result<(), Error> {
    if cpu.cpus.is_empty() && cpu.mems.is_empty() {
        return Ok(());
    }
    let (group, _) = target(cgroup, "cpuset", "linux.resources.cpu.cpus")?;
    for (file, value) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
        if !value.is_empty() {
            group.write(file, value)?;
        }
    }
    Ok(())
}

/// COMPAT: runc writes 1 for 0, as systemd cannot write 0 and no container can start with either.
fn pids_value(limit: i64) -> String {
    match limit {
        ..0 => "max".to_owned(),
        0 => "1".to_owned(),
        limit => limit.to_string(),
    }
}

fn rdma_value(device: &str, limit: &oci::runtime::Rdma) -> String {
    let mut value = device.to_owned();
    if let Some(handles) = limit.hca_handles {
        value.push_str(&format!(" hca_handle={handles}"));
    }
    if let Some(objects) = limit.hca_objects {
        value.push_str(&format!(" hca_object={objects}"));
    }
    value
}
