//! Who this process is, and in which namespaces.

use crate::{Report, read};
use std::fs;

const NAMESPACES: [&str; 8] = ["pid", "mnt", "net", "ipc", "uts", "cgroup", "user", "time"];

/// Process, user, kernel, namespaces.
pub(crate) fn report(report: &mut Report) {
    let arguments: Vec<_> = std::env::args().collect();
    report.line(
        "process",
        &format!("pid {}: {}", std::process::id(), arguments.join(" ")),
    );
    let kernel = rustix::system::uname();
    report.line("host name", &kernel.nodename().to_string_lossy());
    report.line(
        "kernel",
        &format!(
            "{} {} {}",
            kernel.sysname().to_string_lossy(),
            kernel.release().to_string_lossy(),
            kernel.machine().to_string_lossy()
        ),
    );
    report.line(
        "user",
        &format!(
            "uid {}, gid {}, groups {}",
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
            groups()
        ),
    );
    report.line("uid map", &map("/proc/self/uid_map"));
    report.line("gid map", &map("/proc/self/gid_map"));
    let namespaces: Vec<_> = NAMESPACES
        .iter()
        .filter_map(|name| namespace(name))
        .collect();
    let lines: Vec<_> = namespaces.chunks(4).map(|four| four.join("  ")).collect();
    report.lines("namespaces", &lines);
}

fn groups() -> String {
    let groups = rustix::process::getgroups().unwrap_or_default();
    match groups.is_empty() {
        true => "none".into(),
        false => {
            let groups: Vec<_> = groups.iter().map(|g| g.as_raw().to_string()).collect();
            groups.join(" ")
        }
    }
}

/// `0-4294967295 are the host's own`, or each range.
fn map(path: &str) -> String {
    let text = read(path);
    let ranges: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (inside, outside, count) = (
                numbers.next()?.ok()?,
                numbers.next()?.ok()?,
                numbers.next()?.ok()?,
            );
            Some(match (inside, outside, count) {
                (0, 0, 4_294_967_295) => "all are the host's own".to_owned(),
                _ => format!("{inside}.. is {outside}.. outside, {count} of them"),
            })
        })
        .collect();
    match ranges.is_empty() {
        true => "unknown: /proc is not there, or nothing is mapped".into(),
        false => ranges.join("; "),
    }
}

/// `pid 4026531836`
fn namespace(name: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/self/ns/{name}")).ok()?;
    let link = link.to_str()?;
    let inode = link.rsplit_once('[')?.1.trim_end_matches(']');
    Some(format!("{name:<6} {inode}"))
}
