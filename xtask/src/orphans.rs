//! Processes that tests leave behind: none holds a pipe for ever or outlives the tests unseen.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a command may take: far more than any test run does.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// How long what is ending anyway has for that: a sandbox whose daemon has just gone goes by itself.
const MOMENT: Duration = Duration::from_secs(2);

/// What precedes each process that a command left behind, on standard output.
pub(crate) const LEFT: &str = "left behind: ";

/// A command below a process of its own, which sees to its orphans: [`run`].
pub(crate) fn seen_to(command: &Command) -> Command {
    // Also when a build has put another file in this one's place.
    let mut seen_to = Command::new("/proc/self/exe");
    seen_to
        .args(["orphans", "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => seen_to.env(name, value),
            None => seen_to.env_remove(name),
        };
    }
    seen_to
}

/// Runs a command, waits for every process below it whose parent ended (prctl(2),
/// `PR_SET_CHILD_SUBREAPER`), and ends and names those that outlive it.
pub(crate) fn run(command: &[OsString]) -> Result<()> {
    let [program, arguments @ ..] = command else {
        anyhow::bail!("no command is given");
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("cannot take in orphans")?;
    let child = Command::new(program).args(arguments).spawn()?;
    let child = Pid::from_child(&child);
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE);
        eprintln!("ended after {} s", PATIENCE.as_secs());
        rustix::process::kill_process(child, Signal::KILL)
    });
    let status = loop {
        // A container's end waits until all that was in its pid namespace is waited for.
        match rustix::process::wait(WaitOptions::empty())? {
            Some((pid, status)) if pid == child => break status,
            _ => {}
        }
    };
    settle();
    for process in end() {
        println!("{LEFT}{process}");
    }
    ensure!(status.exit_status() == Some(0), "it ended with {status:?}");
    Ok(())
}

/// Waits until no process is below us, for a moment.
fn settle() {
    let start = Instant::now();
    while start.elapsed() < MOMENT && !below(rustix::process::getpid()).is_empty() {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends every process below us, and returns a line for each: its number and its command.
fn end() -> Vec<String> {
    let mut ended = BTreeMap::new();
    loop {
        let living = below(rustix::process::getpid());
        for &pid in &living {
            ended
                .entry(pid.as_raw_nonzero())
                .or_insert_with(|| command(pid));
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if living.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ended
        .into_iter()
        .map(|(pid, command)| format!("process {pid}: {command}"))
        .collect()
}

/// Every living process that descends from `ancestor`.
fn below(ancestor: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| parent(entry.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut found = vec![ancestor];
    let mut at = 0;
    while let Some(&above) = found.get(at) {
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == above)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    found.split_off(1)
}

/// A living process and its parent, from the fields after its name (proc_pid_stat(5)).
fn parent(pid: i32) -> Option<(Pid, Pid)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    Some((Pid::from_raw(pid)?, Pid::from_raw(parent)?))
}

fn command(pid: Pid) -> String {
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    String::from_utf8_lossy(&line.unwrap_or_default()).replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn what_a_child_left_is_found_below_us() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let sleep = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let found = below(rustix::process::getpid());
        assert!(found.contains(&Pid::from_child(&shell)) && found.contains(&sleep));
        // Until it is executed it is a copy of the shell.
        let began = Instant::now();
        while command(sleep) != "sleep 600 " && began.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        assert_eq!(command(sleep), "sleep 600 ");
        rustix::process::kill_process(sleep, Signal::KILL).unwrap();
        shell.wait().unwrap();
        assert!(!below(rustix::process::getpid()).contains(&sleep));
    }
}
