//! Version 1's files.

use super::read::{counter, devices, list, number, pairs, ranges, value};
use super::{CpuUsage, Hugetlb, Pids, Stats, Throttling};
use crate::Error;
use crate::group::Group;

type Reader = fn(&Group, &mut Stats) -> Result<(), Error>;

/// What is read of each controller.
pub(super) const READERS: [(&str, Reader); 7] = [
    ("cpu", cpu),
    ("cpuacct", cpuacct),
    ("cpuset", cpuset),
    ("memory", memory),
    ("pids", pids),
    ("blkio", blkio),
    ("hugetlb", hugetlb),
];
/// Ticks a second of `cpuacct.stat`, `USER_HZ`.
const NANOSECONDS_A_TICK: u64 = 1_000_000_000 / 100;

fn cpu(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let text = group.find("cpu.stat")?.unwrap_or_default();
    stats.cpu.throttling = Throttling {
        periods: value(&text, "nr_periods"),
        throttled_periods: value(&text, "nr_throttled"),
        throttled_time: value(&text, "throttled_time"),
    };
    Ok(())
}

fn cpuacct(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let mut usage = CpuUsage {
        total: number(group, "cpuacct.usage")?,
        percpu: list(&group.find("cpuacct.usage_percpu")?.unwrap_or_default()),
        ..CpuUsage::default()
    };
    // Lines of a CPU, its user and its system time, under a heading.
    let all = group.find("cpuacct.usage_all")?.unwrap_or_default();
    for line in all.lines().skip(1) {
        if let [_, user, kernel] = list(line)[..] {
            usage.percpu_user.push(user);
            usage.percpu_kernel.push(kernel);
        }
    }
    if usage.percpu_user.is_empty() {
        let text = group.find("cpuacct.stat")?.unwrap_or_default();
        usage.user = value(&text, "user") * NANOSECONDS_A_TICK;
        usage.kernel = value(&text, "system") * NANOSECONDS_A_TICK;
    } else {
        usage.user = usage.percpu_user.iter().sum();
        usage.kernel = usage.percpu_kernel.iter().sum();
    }
    stats.cpu.usage = usage;
    Ok(())
}

fn cpuset(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let cpuset = &mut stats.cpuset;
    cpuset.cpus = ranges(&group.find("cpuset.cpus")?.unwrap_or_default());
    cpuset.mems = ranges(&group.find("cpuset.mems")?.unwrap_or_default());
    for (file, field) in [
        ("cpuset.cpu_exclusive", &mut cpuset.cpu_exclusive),
        ("cpuset.mem_hardwall", &mut cpuset.mem_hardwall),
        ("cpuset.mem_exclusive", &mut cpuset.mem_exclusive),
        ("cpuset.memory_migrate", &mut cpuset.memory_migrate),
        ("cpuset.memory_spread_page", &mut cpuset.memory_spread_page),
        ("cpuset.memory_spread_slab", &mut cpuset.memory_spread_slab),
        ("cpuset.memory_pressure", &mut cpuset.memory_pressure),
        ("cpuset.sched_load_balance", &mut cpuset.sched_load_balance),
    ] {
        *field = number(group, file)?;
    }
    let level = group.find("cpuset.sched_relax_domain_level")?;
    cpuset.sched_relax_domain_level = level
        .and_then(|text| text.trim_end().parse().ok())
        .unwrap_or_default();
    Ok(())
}

fn memory(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    let text = group.find("memory.stat")?.unwrap_or_default();
    let memory = &mut stats.memory;
    memory.raw = pairs(&text)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    memory.cache = memory.raw.get("cache").copied().unwrap_or_default();
    memory.usage = counter(group, "memory.")?;
    memory.swap = counter(group, "memory.memsw.")?;
    memory.kernel = counter(group, "memory.kmem.")?;
    memory.kernel_tcp = counter(group, "memory.kmem.tcp.")?;
    Ok(())
}

fn pids(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    stats.pids = Pids {
        current: number(group, "pids.current")?,
        limit: match number(group, "pids.max")? {
            u64::MAX => 0,
            limit => limit,
        },
    };
    Ok(())
}

fn blkio(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    // By scheduler, each with its own files; the throttling ones count always.
    for scheduler in ["bfq", "throttle"] {
        let file = |what: &str| format!("blkio.{scheduler}.{what}_recursive");
        let bytes = group.find(&file("io_service_bytes"))?.unwrap_or_default();
        let bytes = devices(&bytes);
        if bytes.is_empty() {
            continue;
        }
        stats.blkio.io_service_bytes_recursive = bytes;
        let operations = group.find(&file("io_serviced"))?.unwrap_or_default();
        stats.blkio.io_serviced_recursive = devices(&operations);
        return Ok(());
    }
    Ok(())
}

fn hugetlb(group: &Group, stats: &mut Stats) -> Result<(), Error> {
    for size in super::v2::page_sizes() {
        let prefix = match group.find(&format!("hugetlb.{size}.rsvd.usage_in_bytes"))? {
            Some(_) => format!("hugetlb.{size}.rsvd."),
            None => format!("hugetlb.{size}."),
        };
        let pages = counter(group, &prefix)?;
        let pages = Hugetlb {
            usage: pages.usage,
            max: pages.max,
            failcnt: pages.failcnt,
        };
        stats.hugetlb.insert(size, pages);
    }
    Ok(())
}
