//! Bytes in and out: all of them, in order, to the right place.

use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::process::Stdio;
use testing::TestHost;

const MEBIBYTE: usize = 1 << 20;

/// Bytes that no buffer's repetition could imitate.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_hundred_megabytes_come_out_whole() {
    let host = TestHost::start();
    let script = "dd if=/dev/urandom of=/tmp/x bs=1M count=100 2>/dev/null; sha256sum /tmp/x >&2; cat /tmp/x";
    let ran = host
        .cli(&[
            "run",
            "--rm",
            "--log-driver",
            "none",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .success();
    assert_eq!(ran.stdout.len(), 100 * MEBIBYTE);
    assert_eq!(ran.error().split(' ').next().unwrap(), hash(&ran.stdout));
}

#[test]
fn a_hundred_megabytes_go_in_whole() {
    let host = TestHost::start();
    let bytes = noise(100 * MEBIBYTE);
    let expected = hash(&bytes);
    let ran = host
        .cli_with_input(&["run", "--rm", "-i", "busybox", "sha256sum"], bytes)
        .success();
    assert_eq!(ran.text().split(' ').next().unwrap(), expected);
}

#[test]
fn bytes_pass_through_both_ways_at_once() {
    let host = TestHost::start();
    let bytes = noise(20 * MEBIBYTE);
    let expected = hash(&bytes);
    let ran = host
        .cli_with_input(&["run", "--rm", "-i", "busybox", "cat"], bytes)
        .success();
    assert_eq!(hash(&ran.stdout), expected);
}

#[test]
fn output_and_errors_are_kept_apart() {
    let host = TestHost::start();
    let script = "for i in 1 2 3; do echo out$i; echo err$i >&2; done";
    let ran = host
        .cli(&["run", "--rm", "busybox", "sh", "-c", script])
        .success();
    assert_eq!(ran.text(), "out1\nout2\nout3\n");
    assert_eq!(ran.error(), "err1\nerr2\nerr3\n");
}

#[test]
fn the_end_of_input_reaches_the_command_and_its_answer_comes_back() {
    let host = TestHost::start();
    let ran = host.cli_with_input(
        &["run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo end"],
        "a\n",
    );
    assert_eq!(ran.success().text(), "a\nend\n");
}

#[test]
fn without_interactive_there_is_no_input() {
    let host = TestHost::start();
    let ran = host.cli_with_input(&["run", "--rm", "busybox", "cat"], "lost");
    assert_eq!(ran.success().text(), "");
}

#[test]
fn only_the_streams_that_are_asked_for_are_attached() {
    let host = TestHost::start();
    let script = "echo out; echo err >&2";
    let ran = host
        .cli(&["run", "--rm", "-a", "stderr", "busybox", "sh", "-c", script])
        .success();
    assert_eq!((ran.text().as_str(), ran.error().as_str()), ("", "err\n"));
}

#[test]
fn output_without_a_line_end_is_shown() {
    let host = TestHost::start();
    for _ in 0..10 {
        let ran = host
            .cli(&[
                "run",
                "--rm",
                "busybox",
                "sh",
                "-c",
                "printf x; printf y >&2",
            ])
            .success();
        assert_eq!((ran.text().as_str(), ran.error().as_str()), ("x", "y"));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_client_and_not_the_container() {
    let host = TestHost::start();
    let mut command = host.command(&[
        "run",
        "--name",
        &crate::unique("yes"),
        "busybox",
        "sh",
        "-c",
        "yes | head -c 2000000; exit 4",
    ]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    // The pipe is closed by now.
    let status = child.wait().unwrap();
    assert!(!status.success());
    host.until("the container ends by itself", |host| {
        host.cli(&["ps", "-q"]).success().text().is_empty()
            || std::env::var_os("CORTEN_TEST_HOST").is_some()
    });
}

#[test]
fn a_signal_is_forwarded_while_the_output_is_blocked() {
    // dockerd sees no end before the output is read.
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let name = crate::unique("blocked");
    let mut command = host.command(&["run", "--rm", "--name", &name, "--init", "busybox", "yes"]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Nobody reads: the pipe is full soon. The first bytes say that the container runs.
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 2]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let pid = child.id();
    std::process::Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status()
        .unwrap();
    host.until("the container ends", |host| {
        host.cli(&["ps", "-q", "--filter", &format!("name={name}")])
            .text()
            .is_empty()
    });
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn input_that_comes_slowly_is_not_held_back() {
    let host = TestHost::start();
    let mut command = host.command(&["run", "--rm", "-i", "busybox", "cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for line in ["one\n", "two\n", "three\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut answer = vec![0; line.len()];
        stdout.read_exact(&mut answer).unwrap();
        assert_eq!(answer, line.as_bytes());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
