//! What `/proc` says of a process.

use std::fs;
use types::Timestamp;

/// The most that is read of a file of `/proc`.
const CAP: usize = 64 << 10;
/// Clock ticks a second, which Linux fixes for programs on every architecture we build for.
pub(super) const TICKS: u64 = 100;

/// What `/proc/PID` says of a process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) parent: u64,
    pub(super) group: u64,
    pub(super) session: u64,
    pub(super) state: char,
    pub(super) terminal: u64,
    /// It is in its terminal's foreground.
    pub(super) foreground: bool,
    pub(super) priority: i64,
    pub(super) nice: i64,
    pub(super) threads: u64,
    /// In ticks.
    pub(super) cpu: u64,
    /// In seconds.
    pub(super) age: u64,
    /// In seconds since the epoch.
    pub(super) started: u64,
    /// In kilobytes.
    pub(super) virtual_size: u64,
    /// In kilobytes.
    pub(super) resident: u64,
    pub(super) name: String,
    pub(super) command: String,
}

/// The processes that are there still, by number.
pub(super) fn read_all(pids: &[u32]) -> Vec<Process> {
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    let uptime = uptime();
    let processes = pids.into_iter().filter_map(|pid| read(pid, uptime));
    processes.collect()
}

fn read(pid: u32, uptime: u64) -> Option<Process> {
    let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
    let stat = String::from_utf8_lossy(&file("stat")?).into_owned();
    // The name is in parentheses and may hold any characters.
    let (head, tail) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split(' ').collect();
    // Numbered as in proc(5), where the state is field 3.
    let signed = |field: usize| fields.get(field - 3)?.trim().parse::<i64>().ok();
    let number = |field: usize| fields.get(field - 3)?.trim().parse::<u64>().ok();
    let status = String::from_utf8_lossy(&file("status")?).into_owned();
    let effective = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let age = uptime.saturating_sub(number(22)? / TICKS);
    Some(Process {
        pid: pid.into(),
        uid: effective("Uid:")?,
        gid: effective("Gid:")?,
        parent: number(4)?,
        group: number(5)?,
        session: number(6)?,
        state: fields.first()?.chars().next()?,
        terminal: number(7)?,
        foreground: signed(8)? == signed(5)?,
        priority: signed(18)?,
        nice: signed(19)?,
        threads: number(20)?,
        cpu: number(14)? + number(15)?,
        age,
        started: Timestamp::now().seconds().saturating_sub(age),
        virtual_size: number(23)? >> 10,
        resident: number(24)? << 2,
        command: command(&file("cmdline")?, name),
        name: name.to_owned(),
    })
}

fn command(line: &[u8], name: &str) -> String {
    let line = line.get(..CAP).unwrap_or(line);
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    match line.is_empty() {
        true => format!("[{name}]"),
        false => String::from_utf8_lossy(line).replace('\0', " "),
    }
}

fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let whole = text.split(['.', ' ']).next();
    whole.and_then(|whole| whole.parse().ok()).unwrap_or(0)
}

/// The host's memory, in kilobytes.
pub(super) fn total_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
