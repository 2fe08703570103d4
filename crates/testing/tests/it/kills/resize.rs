//! The terminal of an executed process is given another size by a daemon that is killed at one
//! of its system calls: the size is the old or the new one, and process, client and container
//! go on.

use super::fault::{Fault, Outcome};
use super::model::NAME;
use super::operations::{nothing_left, said};
use super::{SAMPLE, sampled};
use std::time::Instant;
use testing::{Pty, TestHost};

const FIRST: (u16, u16) = (24, 80);
const SECOND: (u16, u16) = (40, 100);
const WAITS: &str = "echo ready; read word; echo \"it read $word\"";

#[test]
fn a_daemon_killed_while_an_executed_process_is_resized_loses_nothing() {
    sampled("daemon, exec resize", SAMPLE, &trial);
}

fn trial(host: &mut TestHost, at: Option<u64>) -> Result<Outcome, String> {
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
    let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
    let (height, width) = SECOND;
    let path = format!("/exec/{exec}/resize?h={height}&w={width}");
    let answer = testing::request(&host.paths().socket, "POST", &path, None);
    let outcome = fault.finish();
    host.kill_daemon();
    host.start_daemon();
    let size = size(host);
    let allowed = match &answer {
        Some(answer) if answer.status == 200 => vec![SECOND],
        _ => vec![FIRST, SECOND],
    };
    terminal.send("this\r");
    terminal.expect("it read this");
    terminal.wait();
    let after = host.inspect(NAME, "{{.State.Pid}}");
    match (allowed.contains(&size), after == beside) {
        (false, _) => Err(format!("{size:?} is none of {allowed:?}: {answer:?}")),
        (_, false) => Err(format!("its container was {beside}, and is {after}")),
        (true, true) => nothing_left(host).map(|()| outcome),
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

/// The rows and columns of the one terminal in the container.
fn size(host: &TestHost) -> (u16, u16) {
    let deadline = Instant::now() + testing::PATIENCE;
    loop {
        let text = said(host, &format!("exec {NAME} stty -F /dev/pts/0 size"));
        let numbers: Vec<u16> = text.split(' ').filter_map(|n| n.parse().ok()).collect();
        match numbers[..] {
            [rows, columns] => return (rows, columns),
            _ => assert!(Instant::now() < deadline, "no size: {text:?}"),
        }
    }
}
