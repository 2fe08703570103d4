//! Control groups, and the limits that can be seen in them.

use crate::{Report, read};
use std::path::Path;

/// Files of limits, in either version, with what they are about.
const LIMITS: [(&str, &str, &str); 9] = [
    ("memory", "", "memory.max"),
    ("memory", "memory", "memory.limit_in_bytes"),
    ("pids", "", "pids.max"),
    ("pids", "pids", "pids.max"),
    ("cpu", "", "cpu.max"),
    ("cpu quota", "cpu", "cpu.cfs_quota_us"),
    ("cpu shares", "cpu", "cpu.shares"),
    ("cpus", "", "cpuset.cpus.effective"),
    ("cpus", "cpuset", "cpuset.cpus"),
];
/// From here on a v1 memory limit means none.
const UNLIMITED: u64 = 1 << 62;

/// Memberships and limits.
pub(crate) fn report(report: &mut Report) {
    let memberships: Vec<_> = read("/proc/self/cgroup")
        .lines()
        .map(str::to_owned)
        .collect();
    report.lines("cgroup", &grouped(&memberships));
    let limits: Vec<_> = LIMITS
        .iter()
        .filter_map(|limit| seen(limit, &memberships))
        .collect();
    match limits.is_empty() {
        true => report.line("limits", "none to be seen"),
        false => report.line("limits", &limits.join(", ")),
    }
}

/// On v1 every controller has its line, most with the same path: a line for each path.
fn grouped(memberships: &[String]) -> Vec<String> {
    let mut paths: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in memberships {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let name = match controllers {
            "" => "unified",
            name => name.trim_start_matches("name="),
        };
        match paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, names)) => names.push(name),
            None => paths.push((path, vec![name])),
        }
    }
    let lines = paths
        .into_iter()
        .map(|(path, names)| match names.as_slice() {
            ["unified"] => path.to_owned(),
            names => format!("{path} ({})", names.join(" ")),
        });
    lines.collect()
}

fn seen((name, controller, file): &(&str, &str, &str), memberships: &[String]) -> Option<String> {
    let base = Path::new("/sys/fs/cgroup").join(controller);
    let path = memberships.iter().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers
            .split(',')
            .any(|c| c == *controller)
            .then_some(path)
    });
    let below = base
        .join(path.unwrap_or_default().trim_start_matches('/'))
        .join(file);
    let text = [below, base.join(file)]
        .iter()
        .map(|path| read(&path.to_string_lossy()))
        .find(|text| !text.is_empty())?;
    Some(format!("{name} {}", value(&text)))
}

fn value(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(UNLIMITED..) => "unlimited".into(),
        Ok(bytes) if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        _ => match text {
            "max" | "-1" => "unlimited".into(),
            text => text.replace("max ", "unlimited of "),
        },
    }
}
