//! The columns of `ps`: their names, titles and what they show.

use super::process::{Process, TICKS, total_memory};
use std::collections::BTreeMap;
use std::fs;
use types::Timestamp;

/// What the host says that columns need.
#[derive(Debug)]
pub(super) struct Host {
    memory: u64,
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Host {
    pub(super) fn read() -> Self {
        Self {
            memory: total_memory(),
            users: names("/etc/passwd"),
            groups: names("/etc/group"),
        }
    }
}

/// The host's names of numbers; the first of a number counts.
fn names(path: &str) -> BTreeMap<u32, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        if let Some(number) = fields.nth(1).and_then(|number| number.parse().ok()) {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

fn named(names: &BTreeMap<u32, String>, number: u32) -> String {
    names
        .get(&number)
        .cloned()
        .unwrap_or_else(|| number.to_string())
}

/// What a column shows of a process.
pub(super) type Show = fn(&Process, &Host) -> String;

/// The names of a column, its title, and what it shows.
type Column = (&'static [&'static str], &'static str, Show);

/// The columns that can be asked for.
const COLUMNS: &[Column] = &[
    (&["pid", "tgid"], "PID", |p, _| p.pid.to_string()),
    (&["ppid"], "PPID", |p, _| p.parent.to_string()),
    (&["pgid", "pgrp"], "PGID", |p, _| p.group.to_string()),
    (&["sid", "sess", "session"], "SID", |p, _| {
        p.session.to_string()
    }),
    (&["user", "euser", "uname"], "USER", |p, h| {
        named(&h.users, p.uid)
    }),
    (&["uid", "euid"], "UID", |p, _| p.uid.to_string()),
    (&["group", "egroup"], "GROUP", |p, h| {
        named(&h.groups, p.gid)
    }),
    (&["gid", "egid"], "GID", |p, _| p.gid.to_string()),
    (&["c"], "C", |p, _| (share(p) / 10).to_string()),
    (&["%cpu", "pcpu"], "%CPU", |p, _| tenths(share(p))),
    (&["%mem", "pmem"], "%MEM", |p, h| {
        tenths((p.resident * 1_000).checked_div(h.memory).unwrap_or(0))
    }),
    (&["vsz", "vsize"], "VSZ", |p, _| p.virtual_size.to_string()),
    (&["rss", "rssize", "rsz"], "RSS", |p, _| {
        p.resident.to_string()
    }),
    (&["tty", "tt", "tname"], "TTY", |p, _| terminal(p.terminal)),
    (&["stat"], "STAT", |p, _| state(p)),
    (&["s", "state"], "S", |p, _| p.state.to_string()),
    (&["stime", "start_time"], "STIME", |p, _| start(p)),
    (&["start"], "STARTED", |p, _| begun(p)),
    (&["time", "cputime"], "TIME", |p, _| clock(p.cpu / TICKS)),
    (&["bsdtime"], "TIME", |p, _| minutes(p)),
    (&["etime"], "ELAPSED", |p, _| elapsed(p.age)),
    (&["etimes"], "ELAPSED", |p, _| p.age.to_string()),
    (&["ni", "nice"], "NI", |p, _| p.nice.to_string()),
    (&["pri"], "PRI", |p, _| (39 - p.priority).to_string()),
    (&["nlwp", "thcount"], "NLWP", |p, _| p.threads.to_string()),
    (&["comm", "ucmd", "ucomm"], "COMMAND", |p, _| p.name.clone()),
    (&["cmd"], "CMD", |p, _| p.command.clone()),
    (&["args", "command"], "COMMAND", |p, _| p.command.clone()),
];

/// The title and the show of a column.
pub(super) fn find(name: &str) -> Option<(&'static str, Show)> {
    let name = name.to_ascii_lowercase();
    let found = COLUMNS
        .iter()
        .find(|(names, _, _)| names.contains(&name.as_str()));
    found.map(|(_, title, show)| (*title, *show))
}

/// The part of a processor, in thousandths.
fn share(process: &Process) -> u64 {
    let seconds = process.cpu / TICKS;
    (seconds * 1_000).checked_div(process.age).unwrap_or(0)
}

fn tenths(thousandths: u64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

fn clock(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

fn minutes(process: &Process) -> String {
    let seconds = process.cpu / TICKS;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn elapsed(age: u64) -> String {
    let clock = clock(age % 86_400);
    match age / 86_400 {
        0 => clock.strip_prefix("00:").unwrap_or(&clock).to_owned(),
        days => format!("{days}-{clock}"),
    }
}

/// The state and what more there is to it, in the order in which `ps` says it.
fn state(process: &Process) -> String {
    let nice = match process.nice {
        ..0 => "<",
        0 => "",
        1.. => "N",
    };
    let said = |is: bool, letter: &'static str| if is { letter } else { "" };
    format!(
        "{}{nice}{}{}{}",
        process.state,
        said(process.session == process.pid, "s"),
        said(process.threads > 1, "l"),
        said(process.foreground, "+"),
    )
}

/// The time of the start, or the day if that was not today.
fn start(process: &Process) -> String {
    let begun = begun(process);
    match process.age < 86_400 {
        true => begun.get(..5).unwrap_or(&begun).to_owned(),
        false => begun,
    }
}

/// The same with seconds.
fn begun(process: &Process) -> String {
    let text = Timestamp::from_nanos(process.started * 1_000_000_000).to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    match process.age < 86_400 {
        true => time.get(..8).unwrap_or(time).to_owned(),
        false => day.get(5..).unwrap_or(day).to_owned(),
    }
}

fn terminal(device: u64) -> String {
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    match (device, major) {
        (0, _) => "?".to_owned(),
        (_, 136..=143) => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("{major}:{minor}"),
    }
}
