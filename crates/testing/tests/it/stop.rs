//! `stop`, `kill`, `pause`, `restart`: ending and holding.

use crate::Running;
use std::time::{Duration, Instant};
use testing::TestHost;

const OBEDIENT: &str = "trap 'echo bye; exit 5' TERM USR1; echo up; while :; do sleep 0.05; done";
const STUBBORN: &str = "trap '' TERM; echo up; while :; do sleep 0.05; done";

fn up<'a>(host: &'a TestHost, script: &str) -> Running<'a> {
    let one = Running::new(host, &["busybox", "sh", "-c", script]);
    host.until("it is up", |host| {
        host.cli(&["logs", &one.id]).text() == "up\n"
    });
    one
}

#[test]
fn stop_asks_first_and_the_container_may_end_itself() {
    let host = TestHost::start();
    let one = up(&host, OBEDIENT);
    let ran = host.cli(&["stop", &one.id]).success();
    assert_eq!(ran.text().trim(), one.id);
    assert_eq!(
        host.inspect(&one.id, "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 5"
    );
    assert_eq!(host.cli(&["logs", &one.id]).text(), "up\nbye\n");
}

#[test]
fn stop_kills_what_does_not_end_in_time() {
    let host = TestHost::start();
    let one = up(&host, STUBBORN);
    let before = Instant::now();
    host.cli(&["stop", "-t", "1", &one.id]).success();
    let took = before.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(5),
        "{took:?}"
    );
    assert_eq!(host.inspect(&one.id, "{{.State.ExitCode}}"), "137");
}

#[test]
fn the_stop_signal_is_the_containers() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &["--stop-signal", "USR1", "busybox", "sh", "-c", OBEDIENT],
    );
    host.until("it is up", |host| {
        host.cli(&["logs", &one.id]).text() == "up\n"
    });
    host.cli(&["stop", &one.id]).success();
    assert_eq!(host.inspect(&one.id, "{{.State.ExitCode}}"), "5");
}

#[test]
fn stop_of_what_is_stopped_is_no_failure() {
    let host = TestHost::start();
    let one = Running::new(&host, &["busybox", "true"]);
    host.cli(&["wait", &one.id]).success();
    host.cli(&["stop", &one.id]).success();
}

#[test]
fn kill_delivers_the_signal_and_wait_reports_it() {
    let host = TestHost::start();
    let one = up(&host, OBEDIENT);
    host.cli(&["kill", "--signal", "USR1", &one.id]).success();
    assert_eq!(host.cli(&["wait", &one.id]).success().text(), "5\n");
    let ran = host.cli(&["kill", &one.id]).code(1);
    assert!(ran.error().contains("is not running"), "{ran}");
}

#[test]
fn kill_takes_signals_in_every_spelling_and_refuses_others() {
    let host = TestHost::start();
    for signal in ["KILL", "SIGKILL", "9", "kill"] {
        let one = Running::sleeping(&host);
        host.cli(&["kill", "-s", signal, &one.id]).success();
        assert_eq!(host.cli(&["wait", &one.id]).text(), "137\n");
    }
    let one = Running::sleeping(&host);
    let ran = host.cli(&["kill", "-s", "NOSUCH", &one.id]).code(1);
    assert!(
        ran.error()
            .to_lowercase()
            .contains("invalid signal: nosuch"),
        "{ran}"
    );
}

#[test]
fn a_paused_container_does_nothing_until_it_is_unpaused() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &[
            "busybox",
            "sh",
            "-c",
            "while :; do date +%s%N; sleep 0.02; done",
        ],
    );
    host.until("it writes", |host| {
        !host.cli(&["logs", &one.id]).text().is_empty()
    });
    host.cli(&["pause", &one.id]).success();
    assert_eq!(
        host.inspect(&one.id, "{{.State.Status}} {{.State.Paused}}"),
        "paused true"
    );
    let count = || host.cli(&["logs", &one.id]).text().lines().count();
    let before = count();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(), before);
    host.cli(&["unpause", &one.id]).success();
    host.until("it writes again", |_| count() > before);
    host.cli(&["unpause", &one.id]).code(1);
}

#[test]
fn a_paused_container_can_be_removed_by_force() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    host.cli(&["pause", &one.id]).success();
    host.cli(&["rm", "-f", &one.id]).success();
}

#[test]
fn start_runs_a_stopped_container_again_with_its_files() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &["busybox", "sh", "-c", "echo x >> /file; wc -l < /file"],
    );
    host.cli(&["wait", &one.id]).success();
    let ran = host.cli(&["start", "-a", &one.id]).success();
    assert_eq!(ran.text(), "2\n");
    let ran = host.cli(&["start", &one.id]).success();
    assert_eq!(ran.text().trim(), one.id);
}

#[test]
fn restart_starts_a_program_again_that_ends_between_the_two_signals() {
    let host = TestHost::start();
    let script = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done";
    let one = Running::new(&host, &["busybox", "sh", "-c", script]);
    let path = format!("/containers/{}/restart?t=0", one.id);
    for _ in 0..30 {
        assert_eq!(host.http("POST", &path, None).status, 204);
        assert_eq!(host.inspect(&one.id, "{{.State.Status}}"), "running");
    }
}

#[test]
fn restart_gives_it_a_new_process() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let before = host.inspect(&one.id, "{{.State.Pid}}");
    host.cli(&["restart", "-t", "0", &one.id]).success();
    let after = host.inspect(&one.id, "{{.State.Pid}}");
    assert_ne!(before, after);
    assert_eq!(host.inspect(&one.id, "{{.State.Running}}"), "true");
}

#[test]
fn signals_to_the_client_reach_the_container() {
    let host = TestHost::start();
    let name = crate::unique("signalled");
    let mut command = host.command(&[
        "run", "--rm", "--name", &name, "busybox", "sh", "-c", OBEDIENT,
    ]);
    command.stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    host.until("it is up", |host| {
        host.cli(&["logs", &name]).text() == "up\n"
    });
    std::process::Command::new("kill")
        .args(["-USR1", &child.id().to_string()])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}
