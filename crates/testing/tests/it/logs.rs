//! `logs`: what was written stays readable.

use crate::Running;
use std::io::Read;
use std::process::Stdio;
use testing::TestHost;

fn ended<'a>(host: &'a TestHost, script: &str) -> Running<'a> {
    let one = Running::new(host, &["busybox", "sh", "-c", script]);
    host.cli(&["wait", &one.id]).success();
    one
}

#[test]
fn both_streams_are_kept_apart_after_the_end() {
    let host = TestHost::start();
    let one = ended(&host, "echo out; echo err >&2");
    let ran = host.cli(&["logs", &one.id]).success();
    assert_eq!(
        (ran.text().as_str(), ran.error().as_str()),
        ("out\n", "err\n")
    );
}

#[test]
fn tail_shows_the_last_lines() {
    let host = TestHost::start();
    let one = ended(&host, "seq 1 1000");
    let tail = |n: &str| host.cli(&["logs", "--tail", n, &one.id]).success().text();
    assert_eq!(tail("3"), "998\n999\n1000\n");
    assert_eq!(tail("0"), "");
    assert_eq!(tail("all").lines().count(), 1000);
    assert_eq!(
        host.cli(&["logs", "-n", "1", &one.id]).success().text(),
        "1000\n"
    );
}

#[test]
fn timestamps_are_rfc_3339_with_nanoseconds() {
    let host = TestHost::start();
    let one = ended(&host, "echo x");
    let text = host.cli(&["logs", "-t", &one.id]).success().text();
    let (time, line) = text.split_once(' ').unwrap();
    assert_eq!(line, "x\n");
    assert!(
        time.len() == 30 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "{time}"
    );
}

#[test]
fn since_and_until_select_by_time() {
    let host = TestHost::start();
    let one = ended(&host, "echo first; sleep 1.2; echo second");
    let text = host.cli(&["logs", "-t", &one.id]).success().text();
    let times: Vec<_> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    let logs = |flag: &str, at: &str| host.cli(&["logs", flag, at, &one.id]).success().text();
    assert_eq!(logs("--since", &times[1]), "second\n");
    assert_eq!(logs("--until", &times[0]), "first\n");
    assert_eq!(logs("--since", "1h").lines().count(), 2);
    assert_eq!(logs("--until", "1h"), "");
}

#[test]
fn follow_shows_lines_as_they_come_and_ends_with_the_container() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &[
            "busybox",
            "sh",
            "-c",
            "for i in 1 2 3; do echo $i; sleep 0.2; done",
        ],
    );
    let ran = host.cli(&["logs", "-f", &one.id]).success();
    assert_eq!(ran.text(), "1\n2\n3\n");
}

#[test]
fn follow_of_a_running_container_ends_when_it_is_removed() {
    let host = TestHost::start();
    let one = Running::new(&host, &["busybox", "sh", "-c", "echo up; sleep 600"]);
    let mut command = host.command(&["logs", "-f", &one.id]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    host.until("the line is logged", |host| {
        host.cli(&["logs", &one.id]).text() == "up\n"
    });
    host.cli(&["rm", "-f", &one.id]).success();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "up\n");
}

#[test]
fn who_follows_learns_that_the_daemon_went_away() {
    let mut host = TestHost::start();
    let id = host.run_detached(&["busybox", "sh", "-c", "echo up; sleep 600"]);
    let follow = |host: &TestHost, args: &[&str]| {
        let mut command = host.command(args);
        command.env("DOCKER_HOST", host.address());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let stop = |host: &mut TestHost| assert_eq!(host.stop_daemon(), Some(0));
    for stop in [stop, TestHost::kill_daemon] {
        let wait = follow(&host, &["wait", &id]);
        let mut told = [&["events", "--since", "1h"][..], &["logs", "-f", &id]]
            .map(|args| follow(&host, args));
        for follower in &mut told {
            let mut first = [0];
            follower
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut first)
                .unwrap();
        }
        stop(&mut host);
        for follower in told.into_iter().chain([wait]) {
            let output = follower.wait_with_output().unwrap();
            let words = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{words}");
            assert!(
                words.contains("broke off") || words.contains("went away"),
                "{words}"
            );
        }
        host.start_daemon();
    }
    host.cli(&["rm", "-f", &id]).success();
}

#[test]
fn long_lines_and_odd_bytes_come_back_as_they_were() {
    let host = TestHost::start();
    let one = ended(
        &host,
        r"head -c 100000 /dev/zero | tr '\0' x; printf '\001\377é\n'",
    );
    let ran = host.cli(&["logs", &one.id]).success();
    assert_eq!(
        ran.stdout.iter().filter(|byte| **byte == b'x').count(),
        100_000
    );
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert!(ran.text().contains('é'));
}

#[test]
fn a_container_without_a_log_says_so() {
    let host = TestHost::start();
    let one = Running::new(&host, &["--log-driver", "none", "busybox", "sleep", "600"]);
    let ran = host.cli(&["logs", &one.id]).code(1);
    assert!(ran.error().contains("does not support reading"), "{ran}");
}

#[test]
fn a_terminals_log_is_raw() {
    let host = TestHost::start();
    let one = Running::new(&host, &["-t", "busybox", "echo", "x"]);
    host.cli(&["wait", &one.id]).success();
    assert_eq!(host.cli(&["logs", &one.id]).success().text(), "x\r\n");
}
