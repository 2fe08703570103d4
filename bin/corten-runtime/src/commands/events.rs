//! `events`: use of resources, and processes killed for lack of memory.

use super::{Context, pause, print};
use crate::arguments::{Arguments, Flag, switch, value};
use crate::status;
use crate::store::Record;
use anyhow::{Context as _, Result, bail};
use cgroup::{Cgroup, Stats};
use oci::runtime::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub(super) const FLAGS: &[Flag] = &[value("interval"), switch("stats")];
/// How often the count of processes killed for lack of memory is looked at.
const OOM_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn events(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, record) = context.container(arguments)?;
    let interval = match arguments.find("interval") {
        None => Duration::from_secs(5),
        Some(text) => duration(text).context("duration interval must be greater than 0")?,
    };
    if status::of(&place, &record)? == Status::Stopped {
        bail!("container with id {} is not running", record.id);
    }
    if !arguments.on("stats") {
        follow(&pause::cgroup(&record)?, &record, interval)?;
    } else if record.cgroup.is_some() {
        tell(&pause::cgroup(&record)?.stats()?, &record)?;
    } else {
        // COMPAT: of a container whose user has no rights on groups nothing is counted.
        tell(&Stats::default(), &record)?;
    }
    Ok(0)
}

fn follow(cgroup: &Cgroup, record: &Record, interval: Duration) -> Result<()> {
    let Some(pidfd) = status::pidfd(record)? else {
        return Ok(());
    };
    let mut killed = cgroup.oom_kills()?;
    let mut due = Instant::now() + interval;
    loop {
        let pause = due
            .saturating_duration_since(Instant::now())
            .min(OOM_INTERVAL);
        let pause = Timespec::try_from(pause).unwrap_or_default();
        let mut ended = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        let ended = poll(&mut ended, Some(&pause)).context("wait for the container")? > 0;
        // A group that is gone has no counts any more; the container has ended then.
        let now = cgroup.oom_kills().unwrap_or(killed);
        for _ in killed..now {
            print(&format!(
                "{{\"type\":\"oom\",\"id\":{}}}\n",
                json!(record.id)
            ))?;
        }
        killed = now;
        if ended {
            return Ok(());
        }
        if Instant::now() >= due {
            tell(&cgroup.stats()?, record)?;
            due = Instant::now() + interval;
        }
    }
}

fn tell(stats: &Stats, record: &Record) -> Result<()> {
    let mut data = serde_json::to_value(stats)?;
    if let Some(data) = data.as_object_mut() {
        data.insert("network_interfaces".to_owned(), json!(null));
    }
    // COMPAT: callers match on the beginning of the line.
    let id = json!(record.id);
    print(&format!(
        "{{\"type\":\"stats\",\"id\":{id},\"data\":{data}}}\n"
    ))
}

/// Go's form of durations: numbers with units, added up. Nothing if it is not above zero.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let units = [
            ("ns", 1e-9),
            ("us", 1e-6),
            ("ms", 1e-3),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
        ];
        let unit = units.iter().find(|(unit, _)| {
            let after = rest[end..].strip_prefix(unit);
            after.is_some_and(|after| {
                after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit())
            })
        })?;
        total += Duration::try_from_secs_f64(number * unit.1).ok()?;
        rest = &rest[end + unit.0.len()..];
    }
    (total > Duration::ZERO).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        for bad in ["0s", "5", "s", "-1s", ""] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
