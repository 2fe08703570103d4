//! Limits as properties of a unit, so that systemd, which writes all of its own again now and
//! then, does not take them back.
//!
//! What has no property is in the group's files alone.

use crate::Error;
use crate::devices::{self, Allowed};
use crate::limits::v2;
use ::systemd::Property;
use oci::runtime::{Cpu, Memory, Resources};

/// systemd's word for no limit.
const INFINITY: u64 = u64::MAX;
/// The kernel's own period, in microseconds.
const PERIOD: u64 = 100_000;
/// systemd counts a quota in hundredths of a CPU, which are this many microseconds a second.
const HUNDREDTH: u64 = 10_000;

/// The limits that can change while the unit is there.
pub(super) fn of(resources: &Resources, unified: bool) -> Result<Vec<Property>, Error> {
    let mut properties = Vec::new();
    if let Some(memory) = &resources.memory {
        properties.extend(match unified {
            true => memory_v2(memory)?,
            false => bytes("MemoryLimit", memory.limit).into_iter().collect(),
        });
    }
    if let Some(cpu) = &resources.cpu {
        properties.extend(weight(cpu, unified));
        properties.extend(quota(cpu.quota, cpu.period));
        properties.extend(set("AllowedCPUs", "linux.resources.cpu.cpus", &cpu.cpus)?);
        properties.extend(set(
            "AllowedMemoryNodes",
            "linux.resources.cpu.mems",
            &cpu.mems,
        )?);
    }
    let block_weight = resources.block_io.as_ref().and_then(|block| block.weight);
    if let Some(weight) = block_weight.filter(|weight| *weight != 0 && !unified) {
        properties.push(Property::new("BlockIOWeight", u64::from(weight)));
    }
    if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        // It takes no zero, nor could anything run with one.
        let limit = u64::try_from(limit).map_or(INFINITY, |limit| limit.max(1));
        properties.push(Property::new("TasksMax", limit));
    }
    for (file, value) in v2::files(&resources.unified) {
        properties.extend(of_file(file, value.trim())?);
    }
    Ok(properties)
}

/// Who is ended when memory runs out, where a scope has that.
pub(super) fn oom_policy(resources: &Resources) -> Option<Property> {
    let policy = match resources.unified.get("memory.oom.group")?.trim() {
        "0" => "continue",
        "1" => "kill",
        // The kernel's to refuse.
        _ => return None,
    };
    Some(Property::new("OOMPolicy", policy))
}

/// What a unit has from its start.
pub(super) fn at_start(resources: &Resources, unified: bool) -> Result<Vec<Property>, Error> {
    // Version 2 asks our program beside systemd's; version 1's list is written anew.
    if unified {
        return Ok(Vec::new());
    }
    let Some(allowed) = devices::allowed(&resources.devices)? else {
        return Ok(vec![Property::new("DevicePolicy", "auto")]);
    };
    let allowed = allowed.iter().filter_map(device);
    Ok(vec![
        Property::new("DevicePolicy", "strict"),
        Property::new("DeviceAllow", allowed.collect::<Vec<_>>()),
    ])
}

/// systemd's name for devices and the letters of what is allowed. It has none for a minor
/// number under every major.
fn device(allowed: &Allowed) -> Option<(String, String)> {
    let (word, letters) = (allowed.word, allowed.letters.clone());
    let name = match (allowed.major, allowed.minor) {
        (None, None) => format!("{word}-*"),
        (Some(major), None) => format!("{word}-{major}"),
        (Some(major), Some(minor)) => format!("/dev/{word}/{major}:{minor}"),
        (None, Some(_)) => return None,
    };
    Some((name, letters))
}

fn memory_v2(memory: &Memory) -> Result<Vec<Property>, Error> {
    let limits = [
        bytes("MemoryMax", memory.limit),
        bytes("MemoryLow", memory.reservation),
    ];
    let swap = v2::swap_value(memory)?;
    let swap = swap.map(|swap| Property::new("MemorySwapMax", number(&swap).unwrap_or(INFINITY)));
    Ok(limits.into_iter().chain([swap]).flatten().collect())
}

fn bytes(name: &str, limit: Option<i64>) -> Option<Property> {
    let limit = limit.filter(|limit| *limit != 0)?;
    Some(Property::new(
        name,
        u64::try_from(limit).unwrap_or(INFINITY),
    ))
}

/// A weight of zero is systemd's word for idle.
fn weight(cpu: &Cpu, unified: bool) -> Option<Property> {
    if unified && cpu.idle == Some(1) {
        return Some(Property::new("CPUWeight", 0_u64));
    }
    let shares = cpu.shares.filter(|shares| *shares != 0)?;
    Some(match unified {
        true => Property::new("CPUWeight", v2::weight_of_shares(shares)),
        false => Property::new("CPUShares", shares),
    })
}

fn quota(quota: Option<i64>, period: Option<u64>) -> Vec<Property> {
    let quota = quota.filter(|quota| *quota != 0);
    let period = period.filter(|period| *period != 0);
    let mut properties = Vec::new();
    if let Some(period) = period {
        properties.push(Property::new("CPUQuotaPeriodUSec", period));
    }
    if quota.is_some() || period.is_some() {
        let quota = quota.and_then(|quota| u64::try_from(quota).ok());
        let share = quota.map_or(INFINITY, |quota| share(quota, period));
        properties.push(Property::new("CPUQuotaPerSecUSec", share));
    }
    properties
}

/// Microseconds a second: a quota that systemd cannot express is the next larger one.
fn share(quota: u64, period: Option<u64>) -> u64 {
    let micros = quota.saturating_mul(1_000_000) / period.unwrap_or(PERIOD);
    micros.div_ceil(HUNDREDTH) * HUNDREDTH
}

/// The limits with the quota that systemd makes of theirs, so that the group's files say the same.
pub(crate) fn rounded(resources: &Resources) -> Resources {
    let mut rounded = resources.clone();
    let Some(cpu) = &mut rounded.cpu else {
        return rounded;
    };
    let period = cpu.period.filter(|period| *period != 0);
    if let Some(quota) = cpu.quota.filter(|quota| *quota > 0) {
        let share = share(quota.unsigned_abs(), period);
        let quota = share.saturating_mul(period.unwrap_or(PERIOD)) / 1_000_000;
        cpu.quota = i64::try_from(quota).ok();
    }
    rounded
}

/// A list such as `0-3,7` as bits.
fn set(name: &str, field: &'static str, list: &str) -> Result<Option<Property>, Error> {
    if list.is_empty() {
        return Ok(None);
    }
    let bits = bits(list).ok_or_else(|| Error::Invalid {
        field,
        reason: format!("{list:?} is no list of numbers"),
    })?;
    Ok(Some(Property::new(name, bits)))
}

fn bits(list: &str) -> Option<Vec<u8>> {
    /// More than any kernel counts.
    const MOST: usize = 1 << 16;
    let mut bits = Vec::new();
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        bits.resize(bits.len().max(last / 8 + 1), 0);
        for number in first..=last {
            bits[number / 8] |= 1 << (number % 8);
        }
    }
    (!bits.is_empty()).then_some(bits)
}

/// A file of version 2 that systemd has a property for.
fn of_file(file: &str, value: &str) -> Result<Vec<Property>, Error> {
    let wrong = || Error::Invalid {
        field: "linux.resources.unified",
        reason: format!("unified resource {file:?} value invalid: {value:?}"),
    };
    let limit = |name| {
        let limit = number(value).ok_or_else(wrong)?;
        Ok(vec![Property::new(name, limit)])
    };
    match file {
        "cpu.idle" if value == "1" => Ok(vec![Property::new("CPUWeight", 0_u64)]),
        "cpu.weight" => limit("CPUWeight"),
        "cpu.max" => {
            let (most, period) = value.split_once(' ').unwrap_or((value, ""));
            let most = match most {
                "max" => -1,
                most => most.parse().map_err(|_| wrong())?,
            };
            let period = match period.trim() {
                "" => PERIOD,
                period => period.parse().map_err(|_| wrong())?,
            };
            Ok(quota(Some(most), Some(period)))
        }
        "cpuset.cpus" => Ok(set("AllowedCPUs", "linux.resources.unified", value)?
            .into_iter()
            .collect()),
        "cpuset.mems" => {
            let nodes = set("AllowedMemoryNodes", "linux.resources.unified", value)?;
            Ok(nodes.into_iter().collect())
        }
        "memory.high" => limit("MemoryHigh"),
        "memory.low" => limit("MemoryLow"),
        "memory.min" => limit("MemoryMin"),
        "memory.max" => limit("MemoryMax"),
        "memory.swap.max" => limit("MemorySwapMax"),
        "pids.max" => {
            let limit = number(value).ok_or_else(wrong)?;
            Ok(vec![Property::new("TasksMax", limit.max(1))])
        }
        _ => Ok(Vec::new()),
    }
}

fn number(value: &str) -> Option<u64> {
    match value {
        "max" => Some(INFINITY),
        value => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::runtime::{DeviceRule, DeviceRuleKind, Pids};

    fn check(resources: &Resources, unified: bool, expected: &[Property]) {
        assert_eq!(of(resources, unified).unwrap(), expected);
    }

    #[test]
    fn limits_become_properties_of_their_version() {
        let resources = Resources {
            memory: Some(Memory {
                limit: Some(4096),
                swap: Some(-1),
                ..Memory::default()
            }),
            cpu: Some(Cpu {
                shares: Some(1024),
                quota: Some(12_345),
                period: Some(50_000),
                cpus: "0-2,9".to_owned(),
                ..Cpu::default()
            }),
            pids: Some(Pids { limit: Some(-1) }),
            ..Resources::default()
        };
        let quota = [
            Property::new("CPUQuotaPeriodUSec", 50_000_u64),
            Property::new("CPUQuotaPerSecUSec", 250_000_u64),
            Property::new("AllowedCPUs", vec![7_u8, 2]),
            Property::new("TasksMax", INFINITY),
        ];
        let v2 = [
            Property::new("MemoryMax", 4096_u64),
            Property::new("MemorySwapMax", INFINITY),
            Property::new("CPUWeight", 100_u64),
        ];
        check(&resources, true, &[&v2[..], &quota[..]].concat());
        let v1 = [
            Property::new("MemoryLimit", 4096_u64),
            Property::new("CPUShares", 1024_u64),
        ];
        check(&resources, false, &[&v1[..], &quota[..]].concat());
    }

    #[test]
    fn files_of_version_2_become_properties_or_are_left_to_the_files() {
        for (file, value, expected) in [
            (
                "memory.high",
                "max",
                Some(vec![Property::new("MemoryHigh", INFINITY)]),
            ),
            (
                "pids.max",
                "0",
                Some(vec![Property::new("TasksMax", 1_u64)]),
            ),
            ("cpu.idle", "0", Some(Vec::new())),
            ("cpu.max", "max", Some(quota(Some(-1), Some(PERIOD)))),
            (
                "cpu.max",
                "5000 10000",
                Some(quota(Some(5000), Some(10_000))),
            ),
            ("io.max", "8:0 rbps=1", Some(Vec::new())),
            (
                "cpuset.cpus",
                "1",
                Some(vec![Property::new("AllowedCPUs", vec![2_u8])]),
            ),
            ("cpuset.cpus", "x", None),
            ("memory.max", "many", None),
        ] {
            assert_eq!(of_file(file, value).ok(), expected, "{file}");
        }
    }

    #[test]
    fn version_1_is_told_which_devices_are_allowed() {
        let rule = |allow, kind, major, minor, access: &str| DeviceRule {
            allow,
            kind,
            major,
            minor,
            access: access.to_owned(),
        };
        let block = Some(DeviceRuleKind::Block);
        let rules = vec![
            rule(false, None, None, None, "rwm"),
            rule(true, block, Some(8), None, "r"),
            rule(true, block, None, Some(3), "w"),
        ];
        let resources = |devices| Resources {
            devices,
            ..Resources::default()
        };
        let properties = at_start(&resources(rules), false).unwrap();
        assert_eq!(properties[0], Property::new("DevicePolicy", "strict"));
        let text = format!("{properties:?}");
        assert!(text.contains("block-8"), "{text}");
        assert!(text.contains("/dev/char/1:3"), "{text}");
        assert!(!text.contains(":3\"), Str(Str(Borrowed(\"w"), "{text}");
        let all = vec![rule(true, None, None, None, "rwm")];
        let open = at_start(&resources(all), false).unwrap();
        assert_eq!(open, [Property::new("DevicePolicy", "auto")]);
    }
}
