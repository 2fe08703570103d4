//! `attach`: back to a running container's streams.

use crate::Running;
use std::io::{Read, Write};
use std::process::Stdio;
use testing::TestHost;

#[test]
fn attach_shows_what_comes_and_gives_the_exit_code() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &["-i", "busybox", "sh", "-c", "read x; echo got $x; exit 6"],
    );
    let mut command = host.command(&["attach", &one.id]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // COMPAT: the end of an attached client's input ends its session with dockerd.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"this\n").unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "got this\n");
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn attach_needs_a_running_container() {
    let host = TestHost::start();
    let one = Running::new(&host, &["busybox", "true"]);
    host.cli(&["wait", &one.id]).success();
    let ran = host.cli(&["attach", &one.id]).code(1);
    assert!(
        ran.error().contains("cannot attach to a stopped container"),
        "{ran}"
    );
}

#[test]
fn many_clients_see_the_same_output() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &[
            "-i",
            "busybox",
            "sh",
            "-c",
            "read x; for i in 1 2 3; do echo $i; done",
        ],
    );
    let mut readers: Vec<_> = (0..3)
        .map(|_| {
            let mut command = host.command(&["attach", "--no-stdin", &one.id]);
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    // There is no sign of an attachment from outside but the streams themselves.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut command = host.command(&["attach", &one.id]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut typing = command.spawn().unwrap();
    let mut stdin = typing.stdin.take().unwrap();
    stdin.write_all(b"go\n").unwrap();
    readers.push(typing);
    for reader in &mut readers {
        let mut text = String::new();
        reader
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "1\n2\n3\n");
        assert!(reader.wait().unwrap().success());
    }
}
