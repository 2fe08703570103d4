//! `kill`: sends a signal to the init, or with no pid namespace of its own to everyone.

use super::Context;
use crate::arguments::{Arguments, Flag, switch};
use crate::store::Record;
use crate::{log, status};
use anyhow::{Context as _, Result, bail};
use cgroup::Cgroup;
use std::os::fd::AsFd;
use types::Signal;

pub(super) const FLAGS: &[Flag] = &[switch("all").or("a")];

/// COMPAT: who has no rights on groups cannot find all, and ends the init alone.
const NO_GROUP: &str = "failed to kill all processes, possibly due to lack of cgroup (Hint: enable cgroup v2 delegation)";

pub(super) fn kill(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (_, record) = context.container(arguments)?;
    let signal = arguments.words.get(1).map_or("SIGTERM", String::as_str);
    // COMPAT: 0 only asks whether the init is there.
    let signal = match signal {
        "0" => None,
        signal => Some(parse(signal)?),
    };
    let sent = send(&record, signal)?;
    if !sent && !arguments.on("all") {
        bail!("container not running");
    }
    Ok(0)
}

fn parse(text: &str) -> Result<Signal> {
    text.parse()
        .ok()
        .with_context(|| format!("unknown signal {text:?}"))
}

/// Sends a signal; says whether there was anyone to get it.
pub(super) fn send(record: &Record, signal: Option<Signal>) -> Result<bool> {
    if signal == Some(Signal::KILL) && !record.own_pid_namespace {
        // Its init ends alone, the others would live on.
        match &record.cgroup {
            Some(state) => return end_all(&Cgroup::open(state)?),
            None => log::warn(NO_GROUP),
        }
    }
    let Some(pidfd) = status::pidfd(record)? else {
        return Ok(false);
    };
    let Some(signal) = signal else {
        return Ok(true);
    };
    let number = sys::pidfd::send_signal(pidfd.as_fd(), signal.number());
    match number {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
        Err(error) => return Err(error).context("unable to signal init"),
    }
    if signal == Signal::KILL {
        thaw(record)?;
    }
    Ok(true)
}

/// A process that version 1 has frozen dies only when it is thawed.
fn thaw(record: &Record) -> Result<()> {
    if let Some(state) = &record.cgroup {
        let cgroup = Cgroup::open(state)?;
        if cgroup.frozen()? {
            cgroup.thaw_any()?;
        }
    }
    Ok(())
}

fn end_all(cgroup: &Cgroup) -> Result<bool> {
    let any = !cgroup.pids()?.is_empty();
    cgroup.kill()?;
    Ok(any)
}
