//! docker's own client on our socket.

use crate::unique;
use testing::{Pty, TestHost, missing};

#[test]
fn docker_runs_containers() {
    if missing("docker_runs_containers", "docker") {
        return;
    }
    let host = TestHost::start();
    let ran = host
        .docker(&[
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 3",
        ])
        .code(3);
    assert_eq!(
        (ran.text().as_str(), ran.error().as_str()),
        ("out\n", "err\n")
    );
    host.docker(&["run", "--rm", "busybox", "nosuch"]).code(127);
}

#[test]
fn docker_manages_containers() {
    if missing("docker_manages_containers", "docker") {
        return;
    }
    let host = TestHost::start();
    let name = unique("docker");
    let id = host
        .docker(&[
            "run",
            "-d",
            "--name",
            &name,
            "busybox",
            "sh",
            "-c",
            "echo up; sleep 600",
        ])
        .success()
        .text();
    host.until("it is up", |host| {
        host.docker(&["logs", &name]).text() == "up\n"
    });
    let listed = host.docker(&[
        "ps",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Names}} {{.State}}",
        "--filter",
        &format!("name={name}"),
    ]);
    assert_eq!(
        listed.success().text(),
        format!("{} {name} running\n", id.trim())
    );
    assert_eq!(
        host.docker(&["exec", &name, "echo", "x"]).success().text(),
        "x\n"
    );
    host.docker(&["inspect", "--format", "{{.State.Status}}", &name])
        .success();
    host.docker(&["top", &name]).success();
    host.docker(&["stats", "--no-stream", &name]).success();
    host.docker(&["pause", &name]).success();
    host.docker(&["unpause", &name]).success();
    host.docker(&["rename", &name, &format!("{name}-new")])
        .success();
    host.docker(&["stop", "-t", "0", &format!("{name}-new")])
        .success();
    host.docker(&["rm", &format!("{name}-new")]).success();
}

#[test]
fn docker_on_a_terminal() {
    if missing("docker_on_a_terminal", "docker") {
        return;
    }
    let host = TestHost::start();
    let mut terminal = Pty::spawn(
        &host.docker_command(&["run", "--rm", "-it", "busybox", "sh"]),
        (30, 90),
    );
    terminal.expect("/ #");
    terminal.send("sleep 0.3; stty size\r");
    terminal.expect("30 90");
    terminal.send("exit 4\r");
    assert_eq!(terminal.wait(), 4);
}

#[test]
fn docker_reads_the_system() {
    if missing("docker_reads_the_system", "docker") {
        return;
    }
    let host = TestHost::start();
    host.docker(&["version"]).success();
    host.docker(&["info"]).success();
    host.docker(&["images"]).success();
    host.docker(&["system", "df"]).success();
    let listed = host
        .docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .success();
    assert!(listed.text().contains("busybox:latest"), "{listed}");
}

#[test]
fn docker_streams_input() {
    if missing("docker_streams_input", "docker") {
        return;
    }
    let host = TestHost::start();
    let command = host.docker_command(&["run", "--rm", "-i", "busybox", "wc", "-c"]);
    let ran = testing::run_with_input(command, vec![b'x'; 5_000_000]).success();
    assert_eq!(ran.text(), "5000000\n");
}
