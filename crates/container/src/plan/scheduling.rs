//! Scheduler, I/O priority, CPU affinity, memory policy and personality.

use crate::Error;
use oci::runtime::{
    IoPriorityClass, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode, Personality,
    PersonalityDomain, Process, Scheduler, SchedulerFlag, SchedulerPolicy,
};
use rustix::thread::CpuSet;
use sys::scheduling::Attributes;

/// Where and when the program runs.
#[derive(Debug, Default)]
pub(crate) struct Scheduling {
    pub(crate) attributes: Option<Attributes>,
    /// Class and level.
    pub(crate) io: Option<(u16, u16)>,
    pub(crate) affinity: Option<CpuSet>,
    pub(crate) initial_affinity: Option<CpuSet>,
}

/// Where the program's memory is, and what it takes the kernel for.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Mode with its flags, and the mask of nodes.
    pub(crate) policy: Option<(i32, Vec<u64>)>,
    pub(crate) personality: Option<u32>,
}

impl Scheduling {
    pub(crate) fn plan(field: &str, process: &Process) -> Result<Self, Error> {
        let io = process.io_priority.as_ref().map(|io| {
            let class = match io.class {
                IoPriorityClass::RealTime => 1,
                IoPriorityClass::BestEffort => 2,
                IoPriorityClass::Idle => 3,
            };
            match u16::try_from(io.priority) {
                Ok(level) if level < 8 => Ok((class, level)),
                _ => Err(Error::invalid(
                    format!("{field}.ioPriority.priority"),
                    format!("{} is not between 0 and 7", io.priority),
                )),
            }
        });
        let affinity = process.exec_cpu_affinity.as_ref();
        let cpus = |name: &str, list: &str| {
            let field = format!("{field}.execCPUAffinity.{name}");
            match list {
                "" => Ok(None),
                list => cpu_set(&field, list).map(Some),
            }
        };
        Ok(Self {
            attributes: process
                .scheduler
                .as_ref()
                .map(|s| attributes(&format!("{field}.scheduler"), s))
                .transpose()?,
            io: io.transpose()?,
            affinity: affinity.map_or(Ok(None), |a| cpus("final", &a.last))?,
            initial_affinity: affinity.map_or(Ok(None), |a| cpus("initial", &a.initial))?,
        })
    }
}

/// The numbers of the CPUs that a process begins on; none if it does not say.
pub fn initial_cpus(process: &Process) -> Result<Vec<usize>, Error> {
    let list = process
        .exec_cpu_affinity
        .as_ref()
        .map(|a| a.initial.as_str());
    match list.unwrap_or_default() {
        "" => Ok(Vec::new()),
        list => numbers("process.execCPUAffinity.initial", list, CpuSet::MAX_CPU),
    }
}

fn attributes(field: &str, scheduler: &Scheduler) -> Result<Attributes, Error> {
    let policy = match scheduler.policy {
        SchedulerPolicy::Other => 0,
        SchedulerPolicy::Fifo => 1,
        SchedulerPolicy::RoundRobin => 2,
        SchedulerPolicy::Batch => 3,
        SchedulerPolicy::Iso => {
            return Err(Error::unsupported(format!("{field}.policy"), "SCHED_ISO"));
        }
        SchedulerPolicy::Idle => 5,
        SchedulerPolicy::Deadline => 6,
    };
    let flags = scheduler.flags.iter().fold(0, |flags, flag| {
        flags
            | match flag {
                SchedulerFlag::ResetOnFork => 0x01,
                SchedulerFlag::Reclaim => 0x02,
                SchedulerFlag::DeadlineOverrun => 0x04,
                SchedulerFlag::KeepPolicy => 0x08,
                SchedulerFlag::KeepParams => 0x10,
                SchedulerFlag::UtilClampMin => 0x20,
                SchedulerFlag::UtilClampMax => 0x40,
            }
    });
    let priority = u32::try_from(scheduler.priority)
        .map_err(|_| Error::invalid(format!("{field}.priority"), "is negative"))?;
    Ok(Attributes {
        policy,
        flags,
        nice: scheduler.nice,
        priority,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
        ..Attributes::default()
    })
}

/// The numbers of a list such as `0-3,7`.
fn numbers(field: &str, list: &str, limit: usize) -> Result<Vec<usize>, Error> {
    let bad = || {
        Error::invalid(
            field,
            format!("{list:?} is no list of numbers below {limit}"),
        )
    };
    let mut all = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.trim().split_once('-').unwrap_or((range.trim(), ""));
        let first: usize = first.parse().map_err(|_| bad())?;
        let last = match last {
            "" => first,
            last => last.parse().map_err(|_| bad())?,
        };
        if last < first || last >= limit {
            return Err(bad());
        }
        all.extend(first..=last);
    }
    Ok(all)
}

fn cpu_set(field: &str, list: &str) -> Result<CpuSet, Error> {
    let mut set = CpuSet::new();
    for cpu in numbers(field, list, CpuSet::MAX_CPU)? {
        set.set(cpu);
    }
    Ok(set)
}

impl Memory {
    pub(crate) fn plan(
        policy: Option<&MemoryPolicy>,
        personality: Option<&Personality>,
    ) -> Result<Self, Error> {
        if personality.is_some_and(|personality| !personality.flags.is_empty()) {
            let field = "linux.personality.flags";
            return Err(Error::unsupported(field, "flags of a personality"));
        }
        Ok(Self {
            policy: policy.map(memory_policy).transpose()?,
            personality: personality.map(|personality| match personality.domain {
                PersonalityDomain::Linux => 0,
                PersonalityDomain::Linux32 => 8,
            }),
        })
    }
}

fn memory_policy(policy: &MemoryPolicy) -> Result<(i32, Vec<u64>), Error> {
    let mode = match policy.mode {
        MemoryPolicyMode::Default => 0,
        MemoryPolicyMode::Preferred => 1,
        MemoryPolicyMode::Bind => 2,
        MemoryPolicyMode::Interleave => 3,
        MemoryPolicyMode::Local => 4,
        MemoryPolicyMode::PreferredMany => 5,
        MemoryPolicyMode::WeightedInterleave => 6,
    };
    let mode = policy.flags.iter().fold(mode, |mode, flag| {
        mode | match flag {
            MemoryPolicyFlag::StaticNodes => 1 << 15,
            MemoryPolicyFlag::RelativeNodes => 1 << 14,
            MemoryPolicyFlag::NumaBalancing => 1 << 13,
        }
    });
    let field = "linux.memoryPolicy.nodes";
    let (mut mask, mut count) = (Vec::new(), 0);
    if !policy.nodes.is_empty() {
        let nodes = numbers(field, &policy.nodes, 1024).map_err(|error| match error {
            Error::Invalid { field, reason } => {
                Error::invalid(field, format!("invalid memory policy nodes: {reason}"))
            }
            error => error,
        })?;
        count = nodes.len();
        for node in nodes {
            if mask.len() <= node / 64 {
                mask.resize(node / 64 + 1, 0);
            }
            mask[node / 64] |= 1_u64 << (node % 64);
        }
    }
    // COMPAT: the words that callers match on.
    let wrong = match policy.mode {
        MemoryPolicyMode::Default | MemoryPolicyMode::Local if count > 0 => {
            format!("memory policy mode requires 0 nodes but got {count}")
        }
        MemoryPolicyMode::Bind
        | MemoryPolicyMode::Interleave
        | MemoryPolicyMode::PreferredMany
        | MemoryPolicyMode::WeightedInterleave
            if count == 0 =>
        {
            "memory policy mode requires at least one node but got 0".to_owned()
        }
        _ => return Ok((mode, mask)),
    };
    Err(Error::invalid(field, wrong))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn a_list_of_numbers_has_ranges() {
        assert_eq!(numbers("f", "0-2,5", 8).unwrap(), [0, 1, 2, 5]);
        for bad in ["", "a", "3-1", "8", "1-", "-1"] {
            let read = numbers("f", bad, 8);
            assert!(read.is_err() || bad == "1-", "{bad}: {read:?}");
        }
    }
}
