//! Version 2's files.

use super::read::{number, pairs, pressure, value};
use super::{BlkioEntry, Counter, Hugetlb, Pids, Stats};
use crate::Error;
use crate::group::Group;

pub(super) fn read(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    cpu(group, stats)?;
    memory(group, stats)?;
    stats.pids = Pids {
        current: number(group, "pids.current")?,
        limit: match number(group, "pids.max")? {
            u64::MAX => 0,
            limit => limit,
        },
    };
    io(group, stats)?;
    hugetlb(group, stats)?;
    stats.cpu.psi = pressure(group, "cpu.pressure")?;
    stats.memory.psi = pressure(group, "memory.pressure")?;
    stats.blkio.psi = pressure(group, "io.pressure")?;
    Ok(())
}

fn cpu(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let text = group.find("cpu.stat")?.unwrap_or_default();
    let microseconds = |key: &str| value(&text, key).saturating_mul(1000);
    stats.cpu.usage.total = microseconds("usage_usec");
    stats.cpu.usage.user = microseconds("user_usec");
    stats.cpu.usage.kernel = microseconds("system_usec");
    stats.cpu.throttling.periods = value(&text, "nr_periods");
    stats.cpu.throttling.throttled_periods = value(&text, "nr_throttled");
    stats.cpu.throttling.throttled_time = microseconds("throttled_usec");
    Ok(())
}

fn memory(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let Some(text) = group.find("memory.stat")? else {
        return Ok(());
    };
    let memory = &mut stats.memory;
    memory.raw = pairs(&text)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    memory.cache = memory.raw.get("file").copied().unwrap_or_default();
    memory.usage = counter(group, "memory")?;
    let events = group.find("memory.events")?.unwrap_or_default();
    memory.usage.failcnt = value(&events, "max");
    let swap = counter(group, "memory.swap")?;
    // Version 1, whose form this is, counts swap together with memory.
    memory.swap = Counter {
        usage: memory.usage.usage + swap.usage,
        limit: memory.usage.limit.saturating_add(swap.limit),
        max: 0,
        failcnt: 0,
    };
    Ok(())
}

fn counter(group: &Group, prefix: &str) -> Result<Counter, Error> {
    Ok(Counter {
        usage: number(group, &format!("{prefix}.current"))?,
        limit: number(group, &format!("{prefix}.max"))?,
        max: number(group, &format!("{prefix}.peak"))?,
        failcnt: 0,
    })
}

/// Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn io(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let text = group.find("io.stat")?.unwrap_or_default();
    for line in text.lines() {
        let Some((device, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((major, minor)) = device.split_once(':') else {
            continue;
        };
        for (key, value) in rest.split(' ').filter_map(|word| word.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut stats.blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut stats.blkio.io_service_bytes_recursive, "Write"),
                "dbytes" => (&mut stats.blkio.io_service_bytes_recursive, "Discard"),
                "rios" => (&mut stats.blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut stats.blkio.io_serviced_recursive, "Write"),
                "dios" => (&mut stats.blkio.io_serviced_recursive, "Discard"),
                _ => continue,
            };
            list.push(BlkioEntry {
                major: major.parse().unwrap_or_default(),
                minor: minor.parse().unwrap_or_default(),
                op: op.to_owned(),
                value: value.parse().unwrap_or_default(),
            });
        }
    }
    Ok(())
}

fn hugetlb(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    for size in page_sizes() {
        let prefix = match group.find(&format!("hugetlb.{size}.rsvd.current"))? {
            Some(_) => format!("hugetlb.{size}.rsvd"),
            None => format!("hugetlb.{size}"),
        };
        let events = group.find(&format!("hugetlb.{size}.events"))?;
        let Some(events) = events else {
            continue;
        };
        let pages = Hugetlb {
            usage: number(group, &format!("{prefix}.current"))?,
            max: 0,
            failcnt: value(&events, "max"),
        };
        stats.hugetlb.insert(size, pages);
    }
    Ok(())
}

/// The sizes of huge pages in the words of the files' names: `2MB`, `1GB`.
pub(super) fn page_sizes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/kernel/mm/hugepages") else {
        return Vec::new();
    };
    let size = |name: &str| {
        let kilobytes: u64 = name
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()?;
        Some(match kilobytes {
            0..1024 => format!("{kilobytes}KB"),
            1024..1_048_576 => format!("{}MB", kilobytes >> 10),
            _ => format!("{}GB", kilobytes >> 20),
        })
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| size(entry.file_name().to_str()?))
        .collect()
}
