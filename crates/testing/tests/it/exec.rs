//! `exec`: more processes in a running container.

use crate::Running;
use testing::TestHost;

#[test]
fn a_command_runs_in_the_containers_namespaces() {
    let host = TestHost::start();
    let one = Running::new(&host, &["--hostname", "ship", "busybox", "sleep", "600"]);
    let ran = host.cli(&[
        "exec",
        &one.id,
        "sh",
        "-c",
        "hostname; for p in 1 self; do readlink /proc/$p/ns/pid; done | uniq | wc -l",
    ]);
    assert_eq!(ran.success().text(), "ship\n1\n");
}

#[test]
fn the_exit_code_is_the_commands() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    host.cli(&["exec", &one.id, "sh", "-c", "exit 7"]).code(7);
    host.cli(&["exec", &one.id, "sh", "-c", "kill -KILL $$"])
        .code(137);
}

#[test]
fn a_command_that_is_not_found_is_127_and_one_that_cannot_be_executed_126() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    host.cli(&["exec", &one.id, "nosuch"]).code(127);
    host.cli(&["exec", &one.id, "/etc"]).code(126);
}

#[test]
fn streams_pass_through() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let ran = host.cli_with_input(
        &["exec", "-i", &one.id, "sh", "-c", "cat; echo err >&2"],
        "data",
    );
    let ran = ran.success();
    assert_eq!(
        (ran.text().as_str(), ran.error().as_str()),
        ("data", "err\n")
    );
}

#[test]
fn user_directory_and_environment_are_its_own() {
    let host = TestHost::start();
    let one = Running::new(&host, &["-e", "BASE=1", "busybox", "sleep", "600"]);
    let ran = host.cli(&[
        "exec",
        "-u",
        "alice",
        "-w",
        "/tmp",
        "-e",
        "MORE=2",
        &one.id,
        "sh",
        "-c",
        "id -u; pwd; echo $BASE $MORE",
    ]);
    assert_eq!(ran.success().text(), "1000\n/tmp\n1 2\n");
}

#[test]
fn detached_runs_on_without_us() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let ran = host
        .cli(&["exec", "-d", &one.id, "sh", "-c", "echo made > /tmp/file"])
        .success();
    assert_eq!(ran.text(), "");
    host.until("the file is there", |host| {
        host.cli(&["exec", &one.id, "cat", "/tmp/file"]).text() == "made\n"
    });
}

#[test]
fn it_has_the_containers_limits_and_security() {
    let host = TestHost::start();
    let one = Running::new(&host, &["--cap-drop", "ALL", "busybox", "sleep", "600"]);
    let script = "grep -E '^(CapEff|Seccomp):' /proc/self/status; cat /proc/self/cgroup | sort > /tmp/a; sort /proc/1/cgroup | cmp - /tmp/a && echo same";
    let text = host
        .cli(&["exec", &one.id, "sh", "-c", script])
        .success()
        .text();
    assert!(text.contains("CapEff:\t0000000000000000"), "{text}");
    assert!(text.contains("Seccomp:\t2"), "{text}");
    assert!(text.contains("same"), "{text}");
}

#[test]
fn privileged_has_all_capabilities() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let ran = |args: &[&str]| {
        let args: Vec<_> = ["exec"]
            .iter()
            .chain(args)
            .chain(&[one.id.as_str(), "grep", "CapEff", "/proc/self/status"])
            .copied()
            .collect();
        host.cli(&args).success().text()
    };
    assert_ne!(ran(&[]), ran(&["--privileged"]));
}

#[test]
fn a_terminal_works() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let mut terminal = host.terminal(&["exec", "-it", &one.id, "sh"], (33, 99));
    terminal.expect("/ #");
    terminal.send("stty size\r");
    terminal.expect("33 99");
    terminal.send("exit 3\r");
    assert_eq!(terminal.wait(), 3);
}

#[test]
fn a_stopped_container_takes_none() {
    let host = TestHost::start();
    let one = Running::new(&host, &["busybox", "true"]);
    host.cli(&["wait", &one.id]).success();
    let ran = host.cli(&["exec", &one.id, "true"]).code(1);
    assert!(ran.error().contains("is not running"), "{ran}");
    host.cli(&["exec", "no-such-container", "true"]).code(1);
}

#[test]
fn who_is_not_there_is_told_when_the_exec_is_made() {
    let host = TestHost::start();
    let id = host.run_detached(&["busybox", "sleep", "600"]);
    for (user, words) in [
        (
            "ghost",
            "unable to find user ghost: no matching entries in passwd file",
        ),
        (
            "0:ghost",
            "unable to find group ghost: no matching entries in group file",
        ),
    ] {
        let body = format!(r#"{{"Cmd":["id"],"User":"{user}"}}"#);
        let refused = host.http("POST", &format!("/containers/{id}/exec"), Some(&body));
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json()["message"], words);
        let ran = host.cli(&["exec", "-u", user, &id, "id"]).code(1);
        assert_eq!(
            ran.error(),
            format!("Error response from daemon: {words}\n")
        );
    }
    // What the container itself has written counts.
    let add = "echo late:x:7:7::/:/bin/sh >> /etc/passwd";
    host.cli(&["exec", &id, "sh", "-c", add]).success();
    let ran = host.cli(&["exec", "-u", "late", &id, "id", "-u"]);
    assert_eq!(ran.success().text(), "7\n");
    let ended = |host: &TestHost| {
        let flags = [
            "--since",
            "10m",
            "--until",
            "0s",
            "--filter",
            "event=exec_die",
        ];
        let events = host.cli(&[&["events"], &flags[..]].concat());
        events.success().text().lines().count()
    };
    // Of the search for who they are nothing is told.
    host.until("both ends are told", |host| ended(host) == 2);
}
