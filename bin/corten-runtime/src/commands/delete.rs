//! `delete`: takes away all that a container has.

use super::Context;
use crate::arguments::{Arguments, Flag, switch};
use crate::store::{NotExist, Place, Record};
use crate::{log, status};
use anyhow::{Context as _, Result, bail};
use cgroup::Cgroup;
use container::hooks::{self, Stage};
use oci::runtime::{Hook, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};
use std::os::fd::AsFd;

pub(super) const FLAGS: &[Flag] = &[switch("force").or("f")];
/// How long an init may take to die.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// COMPAT: runc is so slow that a program which was just started has ended meanwhile, if it
/// does nothing; callers count on that.
const GRACE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

pub(super) fn delete(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (id, force) = (&arguments.words[0], arguments.on("force"));
    let (place, record) = match context.store().load(id) {
        Ok(found) => found,
        Err(error) if error.is::<NotExist>() => {
            // What an aborted create left has no state.
            context
                .store()
                .place(&crate::store::parse_id(id)?)
                .remove()?;
            if force {
                return Ok(0);
            }
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    if !force {
        expect_stopped(&place, &record)?;
    }
    end(&record)?;
    destroy(&place, &record)?;
    Ok(0)
}

/// Refuses a container that runs.
fn expect_stopped(place: &Place, record: &Record) -> Result<()> {
    let mut status = status::of(place, record)?;
    if status == Status::Running
        && let Some(pidfd) = status::pidfd(record)?
    {
        let mut ended = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        poll(&mut ended, Some(&GRACE)).context("wait for init")?;
        status = status::of(place, record)?;
    }
    match status {
        Status::Stopped | Status::Created => Ok(()),
        other => {
            let id = &record.id;
            bail!("cannot delete container {id} that is not stopped: {other}")
        }
    }
}

/// Ends the container's init and waits for its end.
fn end(record: &Record) -> Result<()> {
    let Some(pidfd) = status::pidfd(record)? else {
        return Ok(());
    };
    match pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => return Err(errno).context("unable to signal init"),
    }
    if let Some(state) = &record.cgroup {
        // Whatever is frozen, or outside of the init's pid namespace.
        Cgroup::open(state)?.kill()?;
    }
    let mut ended = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    match poll(&mut ended, Some(&PATIENCE)).context("wait for init")? {
        0 => bail!("container init still running"),
        _ => Ok(()),
    }
}

/// Takes away what a create that failed has made so far; no hook is told.
pub(super) fn discard(place: &Place, record: &Record) -> Result<()> {
    end(record)?;
    if let Some(state) = &record.cgroup {
        let cgroup = Cgroup::open(state)?;
        cgroup.kill()?;
        cgroup.delete()?;
    }
    place.remove()
}

/// As [`destroy`], at the end of a container's foreground: what fails is told.
pub(super) fn destroy_or_warn(place: &Place, record: &Record) {
    if let Err(error) = destroy(place, record) {
        log::warn(&format!("{error:#}"));
    }
}

/// Takes away what a container without its init still has.
pub(super) fn destroy(place: &Place, record: &Record) -> Result<()> {
    if let Some(state) = &record.cgroup {
        let cgroup = Cgroup::open(state)?;
        if !record.own_pid_namespace || record.pid == 0 {
            cgroup.kill()?;
        }
        cgroup.delete()?;
    }
    let config = record.poststop.then(|| place.config());
    place.remove()?;
    if let Some(config) = config {
        let spec = config?;
        let list: &[Hook] = spec.hooks.as_ref().map_or(&[], |hooks| &hooks.poststop);
        let state = super::state::document(record, Status::Stopped);
        // COMPAT: the specification wants a warning; for runc it is the command's failure.
        hooks::run(list, Stage::Poststop, &state)?;
    }
    Ok(())
}
