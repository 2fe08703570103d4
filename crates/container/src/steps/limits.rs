//! Resource limits and the OOM killer's score. In a user namespace both are the parent's.

use super::Setup;
use crate::fault::{During, Fault};
use rustix::fs::{Mode, OFlags};
use std::ffi::CStr;

/// Before the container's own root: this is the host's procfs.
pub(super) fn oom_score_adj<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    const PATH: &CStr = c"/proc/self/oom_score_adj";
    match &setup.plan.process.oom_score_adj {
        Some(value) if !setup.plan.in_user_namespace() => {
            let file = rustix::fs::open(PATH, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                .on("open", PATH)?;
            rustix::io::write(&file, value.as_bytes()).on("write process.oomScoreAdj to", PATH)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn rlimits<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if setup.plan.in_user_namespace() {
        return Ok(());
    }
    for rlimit in &setup.plan.process.rlimits {
        rustix::process::setrlimit(rlimit.resource, rlimit.limit)
            .on("set process.rlimits", &rlimit.name)?;
    }
    Ok(())
}
