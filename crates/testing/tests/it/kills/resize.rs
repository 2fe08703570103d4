//! A terminal, a container's or that of a process executed in it, is given another size by a
//! daemon that is killed at one of its system calls: the size is the old or the new one, and
//! process, client and container go on.

use super::fault::{Fault, Outcome};
use super::model::NAME;
use super::operations::{nothing_left, said};
use super::{SAMPLE, sampled};
use std::time::Instant;
use testing::{Pty, TestHost};

const FIRST: (u16, u16) = (24, 80);
const SECOND: (u16, u16) = (40, 100);
const WAITS: &str = "echo ready; read word; echo \"it read $word\"";

/// A container whose own terminal is resized.
const OWN: &str = "terminal";

#[test]
fn a_daemon_killed_while_an_executed_process_is_resized_loses_nothing() {
    sampled("daemon, exec resize", SAMPLE, &executed_trial);
}

#[test]
fn a_daemon_killed_while_a_container_is_resized_loses_nothing() {
    sampled("daemon, container resize", SAMPLE, &container_trial);
}

fn container_trial(host: &mut TestHost, at: Option<u64>) -> Result<Outcome, String> {
    let run = ["run", "-it", "--network", "none", "--name", OWN];
    let program = ["busybox", "sh", "-c", WAITS];
    let mut terminal = host.terminal(&[&run[..], &program].concat(), FIRST);
    terminal.expect("ready");
    let beside = host.inspect(OWN, "{{.State.Pid}}");
    let (answer, outcome) = resized(host, &format!("/containers/{OWN}"), at);
    let size = size(host, OWN, "/dev/console");
    let after = host.inspect(OWN, "{{.State.Pid}}");
    terminal.send("this\r");
    terminal.expect("it read this");
    terminal.wait();
    host.until("it has ended", |host| {
        host.inspect(OWN, "{{.State.Status}}") == "exited"
    });
    let logged = said(host, &format!("logs {OWN}"));
    said(host, &format!("rm {OWN}"));
    if !logged.contains("it read this") {
        return Err(format!("its log has not what it said: {logged:?}"));
    }
    judged(host, answer, size, (&beside, &after)).map(|()| outcome)
}

fn executed_trial(host: &mut TestHost, at: Option<u64>) -> Result<Outcome, String> {
    if said(host, "ps -q").is_empty() {
        host.run_detached(&[
            "--network",
            "none",
            "--name",
            NAME,
            "busybox",
            "sleep",
            "600",
        ]);
    }
    let beside = host.inspect(NAME, "{{.State.Pid}}");
    let (mut terminal, exec) = executed(host);
    let (answer, outcome) = resized(host, &format!("/exec/{exec}"), at);
    let size = size(host, NAME, "/dev/pts/0");
    terminal.send("this\r");
    terminal.expect("it read this");
    terminal.wait();
    let after = host.inspect(NAME, "{{.State.Pid}}");
    judged(host, answer, size, (&beside, &after)).map(|()| outcome)
}

/// Asks for [`SECOND`] while the daemon is killed, and starts the next.
fn resized(host: &mut TestHost, of: &str, at: Option<u64>) -> (Option<u16>, Outcome) {
    let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
    let (height, width) = SECOND;
    let path = format!("{of}/resize?h={height}&w={width}");
    let answer = testing::request(&host.paths().socket, "POST", &path, None);
    let outcome = fault.finish();
    host.kill_daemon();
    host.start_daemon();
    (answer.map(|answer| answer.status), outcome)
}

/// What was answered holds, and the container is the same.
fn judged(
    host: &TestHost,
    answer: Option<u16>,
    size: (u16, u16),
    (before, after): (&str, &str),
) -> Result<(), String> {
    let allowed = match answer {
        Some(200) => vec![SECOND],
        _ => vec![FIRST, SECOND],
    };
    match (allowed.contains(&size), after == before) {
        (false, _) => Err(format!("{size:?} is none of {allowed:?}: {answer:?}")),
        (_, false) => Err(format!("its container was {before}, and is {after}")),
        (true, true) => nothing_left(host),
    }
}

/// A process on a terminal in the container, and its id.
fn executed(host: &TestHost) -> (Pty, String) {
    let mut terminal = host.terminal(&["exec", "-it", NAME, "sh", "-c", WAITS], FIRST);
    terminal.expect("ready");
    let shown = host.http("GET", &format!("/containers/{NAME}/json"), None);
    let execs = shown.json()["ExecIDs"].clone();
    let id = execs[0].as_str().expect("it is executed").to_owned();
    (terminal, id)
}

/// The rows and columns of a terminal in the container.
fn size(host: &TestHost, name: &str, terminal: &str) -> (u16, u16) {
    let deadline = Instant::now() + testing::PATIENCE;
    loop {
        let text = said(host, &format!("exec {name} stty -F {terminal} size"));
        let numbers: Vec<u16> = text.split(' ').filter_map(|n| n.parse().ok()).collect();
        match numbers[..] {
            [rows, columns] => return (rows, columns),
            _ => assert!(Instant::now() < deadline, "no size: {text:?}"),
        }
    }
}
