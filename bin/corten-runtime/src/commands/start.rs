//! `start`: opens the gate.

use super::Context;
use crate::arguments::Arguments;
use crate::status;
use anyhow::{Context as _, Result, bail};
use container::hooks::{self, Stage};
use oci::runtime::{Hook, Spec, State, Status};

pub(super) fn start(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, record) = context.container(arguments)?;
    match status::of(&place, &record)? {
        Status::Created => {}
        Status::Stopped => bail!("cannot start a container that has stopped"),
        Status::Running => bail!("cannot start an already running container"),
        other => bail!("cannot start a container in the {other} state"),
    }
    let started = container::start(&place.gate()).context("unable to start container process");
    // COMPAT: these run also if a startContainer hook failed, of which runc learns nothing here.
    // Most configurations have no such hooks, and need not be read then.
    if record.poststart {
        let spec = place.config()?;
        let state = super::state::document(&record, Status::Running);
        let ran = poststart(&spec, &state);
        started.and(ran)?;
        return Ok(0);
    }
    started.map(|()| 0)
}

/// Runs the hooks that follow the program's start.
pub(super) fn poststart(spec: &Spec, state: &State) -> Result<()> {
    let list: &[Hook] = spec.hooks.as_ref().map_or(&[], |hooks| &hooks.poststart);
    hooks::run(list, Stage::Poststart, state).map_err(Into::into)
}
