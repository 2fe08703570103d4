//! Where in its life a container is: read from the kernel, never from a file.

use crate::store::{Place, Record};
use anyhow::{Context, Result};
use cgroup::Cgroup;
use oci::runtime::Status;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;

/// What procfs tells about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// The state's letter.
    pub(crate) state: u8,
    /// The start time, in ticks since boot.
    pub(crate) start_time: u64,
}

/// Reads `/proc/PID/stat`; nothing if there is no such process.
pub(crate) fn process(pid: i32) -> Option<Process> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(&text)
}

/// The name, in parentheses, can hold anything; what follows its last one counts.
fn parse(stat: &[u8]) -> Option<Process> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    Some(Process { state, start_time })
}

/// Where in its life a container is.
pub(crate) fn of(place: &Place, record: &Record) -> Result<Status> {
    if record.pid == 0 {
        return Ok(Status::Creating);
    }
    if !lives(record) {
        return Ok(Status::Stopped);
    }
    if place.gate().exists() {
        return Ok(Status::Created);
    }
    if frozen(record)? {
        return Ok(Status::Paused);
    }
    Ok(Status::Running)
}

/// Whether the container's init is there, and is the one that was made.
pub(crate) fn lives(record: &Record) -> bool {
    let process = process(record.pid);
    process.is_some_and(|process| {
        process.start_time == record.start_time && !matches!(process.state, b'Z' | b'X')
    })
}

fn frozen(record: &Record) -> Result<bool> {
    match &record.cgroup {
        Some(state) => Ok(Cgroup::open(state)?.frozen()?),
        None => Ok(false),
    }
}

/// A descriptor of the container's init; nothing if it is gone.
pub(crate) fn pidfd(record: &Record) -> Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(record.pid) else {
        return Ok(None);
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(errno) => return Err(errno).context("open the container's init"),
    };
    // Only now is it certain that the pid cannot become another process'.
    Ok(lives(record).then_some(pidfd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = b"7 (a) S (b) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        let expected = Process {
            state: b'R',
            start_time: 4242,
        };
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse(b"7 (a"), None);
    }
}
