//! Scheduler, I/O priority, CPU affinity, memory policy, personality.

use super::Setup;
use crate::fault::{During, Fault};
use rustix::io::Errno;
use rustix::thread::sched_setaffinity;
use sys::scheduling::Attributes;

pub(super) fn initial_affinity<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    match &setup.plan.process.scheduling.initial_affinity {
        Some(cpus) => sched_setaffinity(None, cpus).during("set process.execCPUAffinity.initial"),
        None => Ok(()),
    }
}

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let scheduling = &setup.plan.process.scheduling;
    if let Some(cpus) = &scheduling.affinity {
        sched_setaffinity(None, cpus).during("set process.execCPUAffinity.final")?;
    }
    if let Some(attributes) = &scheduling.attributes {
        set(attributes)?;
    }
    if let Some((class, level)) = scheduling.io {
        sys::scheduling::set_io_priority(class, level).during("set process.ioPriority")?;
    }
    Ok(())
}

fn set<'a>(attributes: &Attributes) -> Result<(), Fault<'a>> {
    let action = match sys::scheduling::set(attributes) {
        Ok(()) => return Ok(()),
        // COMPAT: the words that callers match on.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            "set process.scheduler: process scheduler can't be used together with AllowedCPUs, as"
        }
        Err(error) => return Err(error).during("set process.scheduler"),
    };
    Err(Fault::new(action, b"sched_setattr(2)", Errno::PERM))
}

pub(super) fn memory<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let memory = &setup.plan.process.memory;
    if let Some((mode, nodes)) = &memory.policy {
        sys::scheduling::set_memory_policy(*mode, nodes).during("set linux.memoryPolicy")?;
    }
    if let Some(domain) = memory.personality {
        sys::scheduling::set_personality(domain).during("set linux.personality")?;
    }
    Ok(())
}
