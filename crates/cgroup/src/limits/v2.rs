//! Version 2's files, and version 1's numbers converted to them.

use crate::group::Group;
use crate::hierarchy::Version;
use crate::{Cgroup, Error};
use oci::runtime::{BlockIo, Cpu, HugepageLimit, Memory, Resources, WeightDevice};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;

/// The file that says how much time a group gets beside others.
const WEIGHT: &str = "cpu.weight";

/// Whether a group has a controller.
pub(super) fn has_controller(group: &Group, controller: &str) -> Result<bool, Error> {
    let controllers = group.read("cgroup.controllers")?;
    Ok(controllers
        .split_whitespace()
        .any(|known| known == controller))
}

/// Hands every controller down from the mount's root to the group.
///
/// A level that is in use itself refuses some; what the group got in the end is what counts.
pub(crate) fn enable_controllers(group: &Group, mount: &Path) -> Result<(), Error> {
    let all = mount.join("cgroup.controllers");
    let all = std::fs::read_to_string(&all).map_err(Error::io("read", &all))?;
    let has = group.read("cgroup.controllers")?;
    if all.split_whitespace().count() == has.split_whitespace().count() {
        return Ok(());
    }
    let Ok(relative) = group.path.strip_prefix(mount) else {
        return Ok(());
    };
    let mut level = mount.to_owned();
    for part in relative {
        enable_level(&level);
        level.push(part);
    }
    Ok(())
}

fn enable_level(level: &Path) {
    let read = |file: &str| std::fs::read_to_string(level.join(file)).unwrap_or_default();
    let (has, gives) = (read("cgroup.controllers"), read("cgroup.subtree_control"));
    let missing: Vec<String> = has
        .split_whitespace()
        .filter(|controller| !gives.split_whitespace().any(|given| given == *controller))
        .map(|controller| format!("+{controller}"))
        .collect();
    if missing.is_empty() {
        return;
    }
    let file = level.join("cgroup.subtree_control");
    if std::fs::write(&file, missing.join(" ")).is_err() {
        // One refused controller refuses all of a write.
        for controller in missing {
            drop(std::fs::write(&file, controller));
        }
    }
}

/// Refuses the limits of version 1 that version 2 has no file for.
fn refuse<const N: usize>(limits: [(bool, &'static str); N]) -> Result<(), Error> {
    match limits.into_iter().find(|(given, _)| *given) {
        Some((_, field)) => Err(Error::Invalid {
            field,
            reason: "version 2 of cgroups has no such limit".to_owned(),
        }),
        None => Ok(()),
    }
}

pub(super) fn memory(group: &Group, memory: &Memory) -> Result<(), Error> {
    // Callers in Go write -1 for "as it is".
    let swappiness = memory.swappiness.filter(|percent| *percent != u64::MAX);
    refuse([
        (swappiness.is_some(), "linux.resources.memory.swappiness"),
        (
            memory.disable_oom_killer == Some(true),
            "linux.resources.memory.disableOOMKiller",
        ),
        (
            memory.use_hierarchy == Some(false),
            "linux.resources.memory.useHierarchy",
        ),
    ])?;
    let limit = memory.limit.filter(|bytes| *bytes != 0);
    if memory.check_before_update == Some(true) {
        check_usage(group, memory)?;
    }
    if let Some(swap) = swap_value(memory)? {
        match group.try_write("memory.swap.max", &swap) {
            Ok(()) => {}
            // Without swap accounting there is nothing to limit.
            Err(Errno::NOENT) if swap == "max" || swap == "0" => {}
            Err(_) => group.write("memory.swap.max", &swap)?,
        }
    }
    if let Some(limit) = limit {
        group.write("memory.max", &max_or(limit))?;
    }
    if let Some(bytes) = memory.reservation.filter(|bytes| *bytes != 0) {
        group.write("memory.low", &max_or(bytes))?;
    }
    Ok(())
}

/// Version 2 counts swap alone, the documents count it together with memory.
pub(crate) fn swap_value(memory: &Memory) -> Result<Option<String>, Error> {
    let invalid = |reason: &str| Error::Invalid {
        field: "linux.resources.memory.swap",
        reason: reason.to_owned(),
    };
    let limit = memory.limit.unwrap_or(0);
    match memory.swap.unwrap_or(0) {
        0 if limit == -1 => Ok(Some("max".to_owned())),
        0 => Ok(None),
        -1 => Ok(Some("max".to_owned())),
        _ if limit == 0 || limit == -1 => {
            Err(invalid("unable to set swap limit without memory limit"))
        }
        swap if limit < 0 || swap < 0 => Err(invalid("negative")),
        swap if swap < limit => Err(invalid("memory+swap limit should be >= memory limit")),
        swap => Ok(Some((swap - limit).to_string())),
    }
}

/// COMPAT: a limit that would end processes at once is refused in runc's words; where the use is
/// not known there is none to refuse for.
pub(crate) fn check_usage(group: &Group, memory: &Memory) -> Result<(), Error> {
    let usage = group.read("memory.current").unwrap_or_default();
    let usage: i64 = usage.trim_end().parse().unwrap_or_default();
    let limits = [
        ("linux.resources.memory.swap", "memory+swap", memory.swap),
        ("linux.resources.memory.limit", "memory", memory.limit),
    ];
    for (field, name, limit) in limits {
        if let Some(limit) = limit.filter(|limit| *limit > 0 && *limit <= usage) {
            let reason = format!("rejecting {name} limit {limit} <= usage {usage}");
            return Err(Error::Invalid { field, reason });
        }
    }
    Ok(())
}

fn max_or(value: i64) -> String {
    match value {
        -1 => "max".to_owned(),
        value => value.to_string(),
    }
}

pub(super) fn cpu(group: &Group, cpu: &Cpu) -> Result<(), Error> {
    refuse([
        (
            cpu.realtime_runtime.is_some_and(|runtime| runtime != 0),
            "linux.resources.cpu.realtimeRuntime",
        ),
        (
            cpu.realtime_period.is_some_and(|period| period != 0),
            "linux.resources.cpu.realtimePeriod",
        ),
    ])?;
    if let Some(idle) = cpu.idle {
        group.write("cpu.idle", &idle.to_string())?;
    }
    // Weight and idle exclude each other; idle was asked for by name.
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0)
        && cpu.idle != Some(1)
    {
        group.write("cpu.weight", &weight_of_shares(shares).to_string())?;
    }
    let mut burst = cpu.burst;
    if let Some(microseconds) = burst
        && group
            .try_write("cpu.max.burst", &microseconds.to_string())
            .is_ok()
    {
        burst = None;
    }
    let quota = cpu.quota.filter(|quota| *quota != 0);
    let period = cpu.period.filter(|period| *period != 0);
    if let Some(value) = cpu_max(group, quota, period)? {
        group.write("cpu.max", &value)?;
    }
    match burst {
        Some(burst) => group.write("cpu.max.burst", &burst.to_string()),
        None => Ok(()),
    }
}

/// The present quota and period; a quota of -1 is none.
pub(super) fn time(group: &Group) -> Result<(Option<i64>, Option<u64>), Error> {
    let text = group.read("cpu.max")?;
    let (quota, period) = text.trim_end().split_once(' ').unwrap_or((&text, ""));
    Ok((Some(quota.parse().unwrap_or(-1)), period.parse().ok()))
}

fn cpu_max(
    group: &Group,
    quota: Option<i64>,
    period: Option<u64>,
) -> Result<Option<String>, Error> {
    let quota = match (quota, period) {
        (None, None) => return Ok(None),
        (Some(quota), _) if quota > 0 => quota.to_string(),
        (Some(_), _) => "max".to_owned(),
        // The present quota stays.
        (None, Some(_)) => {
            let present = group.read("cpu.max")?;
            present.split(' ').next().unwrap_or("max").to_owned()
        }
    };
    Ok(Some(match period {
        Some(period) => format!("{quota} {period}"),
        None => quota,
    }))
}

/// Shares 2..262144 become weight 1..10000 so that 1024, the default, becomes 100, the default.
///
/// COMPAT: the same curve as runc's and crun's since 2025: a parabola through the three points
/// in logarithms.
pub(crate) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        shares => {
            #[expect(clippy::cast_precision_loss, reason = "below 2^18")]
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and 10000"
            )]
            let weight = 10_f64.powf(exponent).ceil() as u64;
            weight
        }
    }
}

pub(super) fn block_io(group: &Group, block: &BlockIo) -> Result<(), Error> {
    let leaf = |weight: Option<u16>| weight.is_some_and(|weight| weight != 0);
    let of_devices = |device: &WeightDevice| leaf(device.leaf_weight);
    refuse([
        (
            leaf(block.leaf_weight),
            "linux.resources.blockIO.leafWeight",
        ),
        (
            block.weight_device.iter().any(of_devices),
            "linux.resources.blockIO.weightDevice.leafWeight",
        ),
    ])?;
    let bfq = group.find("io.bfq.weight")?.is_some();
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        if bfq {
            group.write("io.bfq.weight", &weight.to_string())?;
        } else {
            group.write("io.weight", &io_weight(weight).to_string())?;
        }
    }
    for device in &block.weight_device {
        if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
            let line = format!("{}:{} {weight}", device.major, device.minor);
            group.write("io.bfq.weight", &line)?;
        }
    }
    for (key, devices) in [
        ("rbps", &block.throttle_read_bps_device),
        ("wbps", &block.throttle_write_bps_device),
        ("riops", &block.throttle_read_iops_device),
        ("wiops", &block.throttle_write_iops_device),
    ] {
        for device in devices {
            // Zero is version 1's word for no limit.
            let rate = match device.rate {
                0 => "max".to_owned(),
                rate => rate.to_string(),
            };
            let line = format!("{}:{} {key}={rate}", device.major, device.minor);
            group.write("io.max", &line)?;
        }
    }
    Ok(())
}

/// 10..1000 becomes 1..10000.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).saturating_sub(10) * 9999) / 990
}

pub(super) fn hugepage(group: &Group, limit: &HugepageLimit) -> Result<(), Error> {
    let value = limit.limit.to_string();
    group.write(&format!("hugetlb.{}.max", limit.page_size), &value)?;
    let reserved = format!("hugetlb.{}.rsvd.max", limit.page_size);
    match group.try_write(&reserved, &value) {
        // Since 5.7.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(_) => group.write(&reserved, &value),
    }
}

/// Writes version 2's files by name.
pub(super) fn unified(cgroup: &Cgroup, files: &BTreeMap<String, String>) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let Some(group) = cgroup.group("") else {
        return Err(Error::Invalid {
            field: "linux.resources.unified",
            reason: "invalid configuration: this host has no cgroup v2".to_owned(),
        });
    };
    for (file, value) in self::files(files) {
        if file.contains('/') || file.is_empty() || file.starts_with('.') {
            return Err(Error::Invalid {
                field: "linux.resources.unified",
                reason: format!("{file:?} is not a file name"),
            });
        }
        if value.is_empty() {
            unified_line(cgroup, group, (file, value))?;
        }
        // The kernel takes a line a write.
        for line in value.split_inclusive('\n') {
            unified_line(cgroup, group, (file, line))?;
        }
    }
    Ok(())
}

/// The files that are written: weight and idle exclude each other, and idle counts.
pub(crate) fn files(all: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let idle = is_idle(all);
    all.iter().filter(move |(file, _)| !idle || *file != WEIGHT)
}

/// What of the limits is passed over, in words that name it.
pub(crate) fn passed_over(resources: &Resources) -> Option<&'static str> {
    let given = |cpu: &Cpu| cpu.idle == Some(1) && cpu.shares.is_some_and(|shares| shares != 0);
    if resources.cpu.as_ref().is_some_and(given) {
        return Some("unable to apply both CPUWeight and CpuIdle to systemd, ignoring CPUWeight");
    }
    let files = &resources.unified;
    let both = is_idle(files) && files.contains_key(WEIGHT);
    both.then_some("unable to apply both cpu.weight and cpu.idle to systemd, ignoring cpu.weight")
}

fn is_idle(files: &BTreeMap<String, String>) -> bool {
    files.get("cpu.idle").is_some_and(|idle| idle.trim() == "1")
}

fn unified_line(cgroup: &Cgroup, group: &Group, (file, line): (&str, &str)) -> Result<(), Error> {
    match group.try_write(file, line) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT | Errno::PERM | Errno::ACCESS) => {
            missing_file(cgroup, group, (file, line))
        }
        Err(_) => group.write(file, line),
    }
}

/// A file that is not there most often lacks its controller.
fn missing_file(cgroup: &Cgroup, group: &Group, (file, value): (&str, &str)) -> Result<(), Error> {
    let controller = file.split('.').next().unwrap_or(file);
    let of_version_1 = |group: &Group| group.version != Version::V2;
    if cgroup.group(controller).is_some_and(of_version_1) {
        // COMPAT: the words that callers match on.
        return Err(Error::Invalid {
            field: "linux.resources.unified",
            reason: format!(
                "invalid configuration: {file:?} is of cgroup v2, and {controller:?} of v1 on this host"
            ),
        });
    }
    if controller != "cgroup" && !has_controller(group, controller)? {
        return Err(Error::Invalid {
            field: "linux.resources.unified",
            reason: format!(
                "unified resource {file:?} can't be set: controller {controller:?} not available"
            ),
        });
    }
    group.write(file, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights_with_default_kept() {
        for (shares, weight) in [
            (2, 1),
            (1024, 100),
            (262_144, 10_000),
            (512, 59),
            (1, 1),
            (3, 2),
        ] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
    }

    #[test]
    fn block_weights_become_io_weights() {
        for (weight, expected) in [(10, 1), (500, 4950), (1000, 10_000)] {
            assert_eq!(io_weight(weight), expected);
        }
    }

    #[test]
    fn swap_is_what_exceeds_memory() {
        let check = |limit, swap, expected: Result<Option<&str>, ()>| {
            let memory = Memory {
                limit,
                swap,
                ..Memory::default()
            };
            let got = swap_value(&memory).map_err(drop);
            assert_eq!(
                got,
                expected.map(|text| text.map(str::to_owned)),
                "{limit:?} {swap:?}"
            );
        };
        check(Some(100), Some(300), Ok(Some("200")));
        check(Some(100), Some(100), Ok(Some("0")));
        check(Some(100), Some(-1), Ok(Some("max")));
        check(Some(-1), None, Ok(Some("max")));
        check(Some(100), None, Ok(None));
        check(Some(100), Some(50), Err(()));
        check(None, Some(50), Err(()));
        check(None, Some(0), Ok(None));
    }
}
