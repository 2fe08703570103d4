//! `pause` and `resume`.

use super::Context;
use crate::arguments::Arguments;
use crate::status;
use crate::store::Record;
use anyhow::{Context as _, Result, bail};
use cgroup::Cgroup;
use oci::runtime::Status;

pub(super) fn pause(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, record) = context.container(arguments)?;
    match status::of(&place, &record)? {
        Status::Running | Status::Created => cgroup(&record)?.freeze()?,
        _ => bail!("container not running"),
    }
    Ok(0)
}

pub(super) fn resume(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (_, record) = context.container(arguments)?;
    let cgroup = cgroup(&record)?;
    if !status::lives(&record) || !cgroup.frozen()? {
        bail!("container not paused");
    }
    cgroup.thaw()?;
    Ok(0)
}

/// The container's cgroup.
pub(super) fn cgroup(record: &Record) -> Result<Cgroup> {
    let state = record
        .cgroup
        .as_ref()
        .context("the container has no cgroup")?;
    Ok(Cgroup::open(state)?)
}
