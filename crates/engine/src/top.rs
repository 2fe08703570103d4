//! A table of processes, read from the host's `/proc` as `ps` would.

use crate::{Error, Processes};
use std::fs;
use types::Timestamp;

/// The most that is read of a file of `/proc`.
const CAP: usize = 64 << 10;
/// Clock ticks a second, which Linux fixes for programs on every architecture we build for.
const TICKS: u64 = 100;

/// Which columns are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `ps -ef`.
    Full,
    /// `ps aux`.
    User,
}

impl Format {
    pub(crate) fn of(arguments: &[String]) -> Result<Self, Error> {
        let words: Vec<&str> = arguments
            .iter()
            .flat_map(|a| a.split_whitespace())
            .collect();
        match words.as_slice() {
            [] | ["-ef"] | ["-e", "-f"] => Ok(Self::Full),
            ["aux" | "-aux"] => Ok(Self::User),
            _ => Err(Error::Unsupported {
                option: format!("ps_args {:?}", words.join(" ")),
                reason: "-ef and aux are",
            }),
        }
    }

    fn titles(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
            Self::User => &[
                "USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME",
                "COMMAND",
            ],
        }
    }
}

/// What `/proc/PID` says of a process.
struct Process {
    pid: u32,
    uid: u32,
    parent: u64,
    state: char,
    terminal: u64,
    cpu: u64,
    age: u64,
    started: u64,
    virtual_size: u64,
    resident: u64,
    command: String,
}

/// The table; processes that ended meanwhile are left out.
pub(crate) fn table(format: Format, pids: &[u32]) -> Processes {
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    let uptime = uptime();
    let memory = total_memory();
    let processes = pids.into_iter().filter_map(|pid| read(pid, uptime));
    Processes {
        titles: format
            .titles()
            .iter()
            .map(|title| (*title).to_owned())
            .collect(),
        rows: processes
            .map(|process| row(format, &process, memory))
            .collect(),
    }
}

fn row(format: Format, process: &Process, memory: u64) -> Vec<String> {
    let seconds = process.cpu / TICKS;
    let share = (seconds * 1_000).checked_div(process.age).unwrap_or(0);
    let start = start(process);
    let terminal = terminal(process.terminal);
    match format {
        Format::Full => vec![
            process.uid.to_string(),
            process.pid.to_string(),
            process.parent.to_string(),
            (share / 10).to_string(),
            start,
            terminal,
            format!(
                "{:02}:{:02}:{:02}",
                seconds / 3_600,
                seconds / 60 % 60,
                seconds % 60
            ),
            process.command.clone(),
        ],
        Format::User => {
            let part = (process.resident * 1_000).checked_div(memory).unwrap_or(0);
            vec![
                process.uid.to_string(),
                process.pid.to_string(),
                format!("{}.{}", share / 10, share % 10),
                format!("{}.{}", part / 10, part % 10),
                process.virtual_size.to_string(),
                process.resident.to_string(),
                terminal,
                process.state.to_string(),
                start,
                format!("{}:{:02}", seconds / 60, seconds % 60),
                process.command.clone(),
            ]
        }
    }
}

/// The time of the start, or the day if that was not today.
fn start(process: &Process) -> String {
    let text = Timestamp::from_nanos(process.started * 1_000_000_000).to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    match process.age < 86_400 {
        true => time.get(..5).unwrap_or(time).to_owned(),
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

fn read(pid: u32, uptime: u64) -> Option<Process> {
    let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
    let stat = String::from_utf8_lossy(&file("stat")?).into_owned();
    // The name is in parentheses and may hold any characters.
    let (head, tail) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split(' ').collect();
    // Numbered as in proc(5), where the state is field 3.
    let number = |field: usize| fields.get(field - 3)?.trim().parse::<u64>().ok();
    let status = String::from_utf8_lossy(&file("status")?).into_owned();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let age = uptime.saturating_sub(number(22)? / TICKS);
    Some(Process {
        pid,
        uid: uid.split_whitespace().next()?.parse().ok()?,
        parent: number(4)?,
        state: fields.first()?.chars().next()?,
        terminal: number(7)?,
        cpu: number(14)? + number(15)?,
        age,
        started: Timestamp::now().seconds().saturating_sub(age),
        virtual_size: number(23)? >> 10,
        resident: number(24)? << 2,
        command: command(&file("cmdline")?, name),
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

/// In kilobytes.
fn total_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_listed_with_its_command() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        // Between fork and exec it still has our name.
        let rows = loop {
            let rows = table(Format::Full, &[child.id(), u32::MAX]).rows;
            let shown = rows
                .first()
                .and_then(|row| row.last())
                .is_some_and(|c| c == "sleep 60");
            if shown || std::time::Instant::now() > deadline {
                break rows;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0][1], child.id().to_string());
        assert_eq!(rows[0][2], std::process::id().to_string());
        assert_eq!(rows[0][7], "sleep 60");
    }

    #[test]
    fn only_known_arguments_are_taken() {
        let format = |text: &str| Format::of(&[text.to_owned()]).ok();
        assert_eq!(Format::of(&[]).ok(), Some(Format::Full));
        assert_eq!(format("-ef"), Some(Format::Full));
        assert_eq!(format("aux"), Some(Format::User));
        assert_eq!(format("-o pid"), None);
    }
}
