//! The system call filter, as late as can be.

use super::{Setup, descriptors};
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use std::os::fd::AsFd;

/// With an agent: while the parent, who hands it the listener, is there for sure.
pub(super) fn early<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    match &setup.plan.filter {
        Some(filter) if filter.agent.is_some() => load(setup),
        _ => Ok(()),
    }
}

/// Signals are given back first: what the filter forbids is done by then.
pub(super) fn late<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    sys::signal::reset().during("reset signals")?;
    let first = 3_u32.saturating_add(setup.plan.preserve_fds);
    descriptors::close_at_exec(first)?;
    if setup.filtered {
        return Ok(());
    }
    load(setup)
}

fn load<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(filter) = &setup.plan.filter else {
        return Ok(());
    };
    let listener = sys::seccomp::load(&filter.instructions, filter.flags)
        .during("load the system call filter")?;
    setup.filtered = true;
    match listener {
        Some(listener) => channel::send(setup.channel, Tag::Listener, 0, Some(listener.as_fd()))
            .during("hand over the seccomp listener"),
        None => Ok(()),
    }
}
