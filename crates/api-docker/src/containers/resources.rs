//! Limits, from and to the API's documents. Zero is "not given".

use crate::call::Call;
use crate::error::{Error, Result};
use docker_schema::container::{self, HostConfig, ThrottleDevice, UpdateRequest, WeightDevice};
use engine::{BlockDevices, BlockRate, BlockWeight, Device, ResourceSpec};
use http::StatusCode;

fn given<T: Default + PartialEq + Copy>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// Shares of the processors, which cannot be negative.
fn shares(value: i64) -> Result<Option<u64>> {
    u64::try_from(value).map(given).map_err(|_| {
        Error::bad_request(format!(
            "invalid CPU shares ({value}): value must be a positive integer"
        ))
    })
}

/// A figure of which a negative one is refused as the smallest is, and the largest as such.
fn bounded(value: i64, negative: u64) -> Option<u64> {
    given(u64::try_from(value).unwrap_or(negative))
}

/// The limits of a create request.
///
/// COMPAT: memory without a word about swap has as much of it again, which is shown.
pub(crate) fn of_new(host: &HostConfig) -> Result<ResourceSpec> {
    let mut limits = of(host)?;
    if let (Some(memory), None) = (limits.memory, limits.memory_swap) {
        limits.memory_swap = i64::try_from(memory.saturating_mul(2)).ok();
    }
    Ok(limits)
}

/// The limits that a document asks for.
fn of(host: &HostConfig) -> Result<ResourceSpec> {
    let devices = host.devices.iter().flatten().map(device);
    let rules = host.device_cgroup_rules.iter().flatten();
    // What is none is told at the start.
    let rules = rules.filter_map(|rule| rule.parse().ok());
    Ok(ResourceSpec {
        cgroup_parent: host.cgroup_parent.clone(),
        cpu_shares: shares(host.cpu_shares)?,
        // COMPAT: fewer than none are told as too many are.
        nano_cpus: bounded(host.nano_cpus, u64::MAX),
        cpu_period: bounded(host.cpu_period, 1),
        cpu_quota: given(host.cpu_quota),
        cpu_realtime_period: given(host.cpu_realtime_period.cast_unsigned()),
        cpu_realtime_runtime: given(host.cpu_realtime_runtime),
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        memory: bounded(host.memory, 1),
        memory_swap: given(host.memory_swap.max(-1)),
        // COMPAT: a negative one is none.
        memory_reservation: given(host.memory_reservation.max(0).cast_unsigned()),
        // COMPAT: docker's client sends -1 for "not given".
        memory_swappiness: match host.memory_swappiness {
            None | Some(-1) => None,
            Some(value) => Some(swappiness(value)?),
        },
        kernel_memory_tcp: given(host.kernel_memory_tcp),
        oom_kill_disable: host.oom_kill_disable.filter(|disabled| *disabled),
        oom_score_adj: given(host.oom_score_adj),
        pids_limit: host.pids_limit.and_then(given),
        blkio_weight: given(host.blkio_weight),
        blkio_weight_device: weights(host.blkio_weight_device.as_ref()),
        device_read_bps: rates(host.blkio_device_read_bps.as_ref()),
        device_write_bps: rates(host.blkio_device_write_bps.as_ref()),
        device_read_iops: rates(host.blkio_device_read_iops.as_ref()),
        device_write_iops: rates(host.blkio_device_write_iops.as_ref()),
        devices: devices.collect(),
        device_cgroup_rules: rules.collect(),
        ulimits: host.ulimits.iter().flatten().map(ulimit).collect(),
    })
}

fn swappiness(value: i64) -> Result<u64> {
    let valid = u64::try_from(value).ok().filter(|value| *value <= 100);
    valid.ok_or_else(|| {
        Error::bad_request(format!(
            "Invalid value: {value}, valid memory swappiness range is 0-100"
        ))
    })
}

pub(crate) fn parse(error: &engine::ParseError) -> Error {
    let words = match error.what {
        what @ ("IPC mode" | "PID mode" | "UTS mode" | "cgroup namespace mode") => {
            format!("invalid {what}: {}", error.text)
        }
        engine::Bind::WHAT | engine::Link::WHAT | engine::Mount::NAME => error.reason.clone(),
        _ => error.to_string(),
    };
    let status = match error.what {
        // COMPAT: dockerd takes this for its own failure.
        engine::Link::WHAT | engine::Bind::WHAT => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    Error::new(status, words)
}

fn device(mapping: &container::DeviceMapping) -> Device {
    Device {
        host: mapping.path_on_host.clone(),
        container: mapping.path_in_container.clone(),
        permissions: mapping.cgroup_permissions.clone(),
    }
}

fn ulimit(limit: &container::Ulimit) -> engine::Ulimit {
    engine::Ulimit {
        name: limit.name.clone(),
        soft: limit.soft,
        hard: limit.hard,
    }
}

fn weights(devices: Option<&Vec<WeightDevice>>) -> Vec<BlockWeight> {
    let devices = devices.into_iter().flatten();
    let weight = |device: &WeightDevice| BlockWeight {
        path: device.path.clone(),
        weight: device.weight,
    };
    devices.map(weight).collect()
}

fn rates(devices: Option<&Vec<ThrottleDevice>>) -> Vec<BlockRate> {
    let devices = devices.into_iter().flatten();
    let rate = |device: &ThrottleDevice| BlockRate {
        path: device.path.clone(),
        rate: device.rate,
    };
    devices.map(rate).collect()
}

/// The limits of an update request.
pub(crate) fn updated(request: &UpdateRequest) -> Result<ResourceSpec> {
    if !request.cgroup_parent.is_empty() {
        return Err(Call::refuse(
            "CgroupParent",
            "it cannot change after creation",
        ));
    }
    of(&HostConfig {
        cpu_shares: request.cpu_shares,
        memory: request.memory,
        nano_cpus: request.nano_cpus,
        blkio_weight: request.blkio_weight,
        cpu_period: request.cpu_period,
        cpu_quota: request.cpu_quota,
        cpu_realtime_period: request.cpu_realtime_period,
        cpu_realtime_runtime: request.cpu_realtime_runtime,
        cpuset_cpus: request.cpuset_cpus.clone(),
        cpuset_mems: request.cpuset_mems.clone(),
        memory_reservation: request.memory_reservation,
        memory_swap: request.memory_swap,
        pids_limit: request.pids_limit,
        ..HostConfig::default()
    })
}

/// The limits of block devices of an update.
pub(crate) fn block_devices(request: &UpdateRequest) -> BlockDevices {
    let rated = |given: &Option<Vec<ThrottleDevice>>| given.as_ref().map(|all| rates(Some(all)));
    let weighed = request.blkio_weight_device.as_ref();
    BlockDevices {
        weights: weighed.map(|all| weights(Some(all))),
        read_bps: rated(&request.blkio_device_read_bps),
        write_bps: rated(&request.blkio_device_write_bps),
        read_iops: rated(&request.blkio_device_read_iops),
        write_iops: rated(&request.blkio_device_write_iops),
    }
}

fn signed(value: Option<u64>) -> i64 {
    value.map_or(0, |value| i64::try_from(value).unwrap_or(i64::MAX))
}

/// The limits in a document.
pub(crate) fn show(host: &mut HostConfig, resources: &ResourceSpec) {
    host.cgroup_parent.clone_from(&resources.cgroup_parent);
    host.cpu_shares = signed(resources.cpu_shares);
    host.nano_cpus = signed(resources.nano_cpus);
    host.cpu_period = signed(resources.cpu_period);
    host.cpu_quota = resources.cpu_quota.unwrap_or_default();
    host.cpu_realtime_period = resources
        .cpu_realtime_period
        .unwrap_or_default()
        .cast_signed();
    host.cpu_realtime_runtime = resources.cpu_realtime_runtime.unwrap_or_default();
    host.cpuset_cpus.clone_from(&resources.cpuset_cpus);
    host.cpuset_mems.clone_from(&resources.cpuset_mems);
    host.memory = signed(resources.memory);
    host.memory_swap = resources.memory_swap.unwrap_or_default();
    host.memory_reservation = signed(resources.memory_reservation);
    host.memory_swappiness = resources.memory_swappiness.map(|value| signed(Some(value)));
    host.kernel_memory_tcp = resources.kernel_memory_tcp.unwrap_or_default();
    host.oom_kill_disable = Some(resources.oom_kill_disable.unwrap_or_default());
    host.oom_score_adj = resources.oom_score_adj.unwrap_or_default();
    // COMPAT: no limit is shown as none.
    host.pids_limit = resources.pids_limit.filter(|limit| *limit > 0);
    host.blkio_weight = resources.blkio_weight.unwrap_or_default();
    let weight = |device: &BlockWeight| WeightDevice {
        path: device.path.clone(),
        weight: device.weight,
    };
    host.blkio_weight_device = Some(resources.blkio_weight_device.iter().map(weight).collect());
    host.blkio_device_read_bps = throttles(&resources.device_read_bps);
    host.blkio_device_write_bps = throttles(&resources.device_write_bps);
    host.blkio_device_read_iops = throttles(&resources.device_read_iops);
    host.blkio_device_write_iops = throttles(&resources.device_write_iops);
    let mapping = |device: &Device| container::DeviceMapping {
        path_on_host: device.host.clone(),
        path_in_container: device.container.clone(),
        cgroup_permissions: device.permissions.clone(),
    };
    host.devices = Some(resources.devices.iter().map(mapping).collect());
    let rules = resources
        .device_cgroup_rules
        .iter()
        .map(ToString::to_string);
    host.device_cgroup_rules = super::inspect::or_null(rules.collect());
    let limit = |limit: &engine::Ulimit| container::Ulimit {
        name: limit.name.clone(),
        hard: limit.hard,
        soft: limit.soft,
    };
    host.ulimits = Some(resources.ulimits.iter().map(limit).collect());
}

fn throttles(rates: &[BlockRate]) -> Option<Vec<ThrottleDevice>> {
    let throttle = |rate: &BlockRate| ThrottleDevice {
        path: rate.path.clone(),
        rate: rate.rate,
    };
    Some(rates.iter().map(throttle).collect())
}
