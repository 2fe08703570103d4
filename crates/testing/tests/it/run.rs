//! `run`: the command that matters.

use crate::{Running, unique};
use testing::TestHost;

#[test]
fn a_command_runs_and_its_output_is_shown() {
    let host = TestHost::start();
    let ran = host
        .cli(&["run", "--rm", "busybox", "echo", "hello"])
        .success();
    assert_eq!((ran.text().as_str(), ran.error().as_str()), ("hello\n", ""));
}

#[test]
fn the_images_command_runs_if_none_is_given() {
    let host = TestHost::start();
    let ran = host.cli_with_input(&["run", "--rm", "-i", "busybox"], "echo from a shell\n");
    assert_eq!(ran.success().text(), "from a shell\n");
}

#[test]
fn the_first_process_is_pid_1_in_namespaces_of_its_own() {
    let host = TestHost::start();
    let script = "echo $$; for n in pid mnt net ipc uts; do readlink /proc/self/ns/$n; done";
    let ran = host
        .cli(&["run", "--rm", "busybox", "sh", "-c", script])
        .success();
    let text = ran.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("1"));
    for (inside, name) in lines.zip(["pid", "mnt", "net", "ipc", "uts"]) {
        let ours = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(inside, ours.to_str().unwrap(), "{name}");
    }
}

#[test]
fn environment_is_what_was_asked_for() {
    let host = TestHost::start();
    let file = host.scratch().join("env");
    std::fs::write(&file, "# comment\nFROM_FILE=1\nTAKEN\n").unwrap();
    let file = file.to_str().unwrap();
    let mut command = host.command(&[
        "run",
        "--rm",
        "-e",
        "A=b c",
        "-e",
        "OURS",
        "-e",
        "UNSET",
        "--env-file",
        file,
        "busybox",
        "env",
    ]);
    command.env("OURS", "here").env("TAKEN", "there");
    let text = testing::run(command).success().text();
    let lines: Vec<_> = text.lines().collect();
    for expected in [
        "A=b c",
        "OURS=here",
        "FROM_FILE=1",
        "TAKEN=there",
        "HOME=/root",
    ] {
        assert!(lines.contains(&expected), "{expected}: {text}");
    }
    assert!(!text.contains("UNSET"), "{text}");
    assert!(!text.contains("CORTEN"), "{text}");
    assert!(text.contains("PATH=/usr/local/sbin:"), "{text}");
}

#[test]
fn the_user_is_found_by_name_and_by_number() {
    let host = TestHost::start();
    let id = |user: &str| {
        let ran = host.cli(&[
            "run",
            "--rm",
            "-u",
            user,
            "busybox",
            "sh",
            "-c",
            "id -u; id -g; id -G; echo $HOME",
        ]);
        ran.success().text()
    };
    assert_eq!(id("alice"), "1000\n1000\n1000 10\n/home/alice\n");
    assert_eq!(id("1000"), "1000\n1000\n1000 10\n/home/alice\n");
    assert_eq!(id("alice:daemon"), "1000\n1\n1\n/home/alice\n");
    assert_eq!(id("77:88"), "77\n88\n88\n/\n");
}

#[test]
fn an_unknown_user_is_refused_by_name() {
    let host = TestHost::start();
    let ran = host
        .cli(&["run", "--rm", "-u", "nobody-here", "busybox", "true"])
        .code(125);
    assert!(ran.error().contains("nobody-here"), "{ran}");
}

#[test]
fn the_working_directory_is_made_if_it_is_missing() {
    let host = TestHost::start();
    let ran = host.cli(&["run", "--rm", "-w", "/new/place", "busybox", "pwd"]);
    assert_eq!(ran.success().text(), "/new/place\n");
}

#[test]
fn host_name_and_domain_name_are_set() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--hostname",
        "ship",
        "--domainname",
        "sea",
        "busybox",
        "sh",
        "-c",
        "hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname; grep -c localhost /etc/hosts",
    ]);
    assert_eq!(ran.success().text(), "ship\nsea\nship\n2\n");
}

#[test]
fn the_host_name_is_the_short_id_by_default() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let name = host.cli(&["exec", &one.id, "hostname"]).success().text();
    assert!(one.id.starts_with(name.trim()), "{name}");
    assert_eq!(name.trim().len(), 12);
}

#[test]
fn the_entrypoint_is_replaced_and_takes_the_arguments() {
    let host = TestHost::start();
    let ran = host.cli(&["run", "--rm", "--entrypoint", "echo", "busybox", "a", "b"]);
    assert_eq!(ran.success().text(), "a b\n");
}

#[test]
fn detached_prints_the_id_and_runs_on() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    assert_eq!(one.id.len(), 64);
    assert_eq!(host.inspect(&one.id, "{{.State.Running}}"), "true");
}

#[test]
fn a_container_without_rm_is_kept_with_its_status() {
    let host = TestHost::start();
    let name = unique("kept");
    host.cli(&["run", "--name", &name, "busybox", "sh", "-c", "exit 3"])
        .code(3);
    assert_eq!(
        host.inspect(&name, "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 3"
    );
    host.cli(&["rm", &name]).success();
}

#[test]
fn a_container_with_rm_is_gone_when_run_returns() {
    let host = TestHost::start();
    let name = unique("gone");
    host.cli(&["run", "--rm", "--name", &name, "busybox", "true"])
        .success();
    host.cli(&["inspect", "--type", "container", &name]).code(1);
}

#[test]
fn a_name_is_used_once() {
    let host = TestHost::start();
    let name = unique("one");
    let _first = Running::new(&host, &["--name", &name, "busybox", "sleep", "600"]);
    let ran = host
        .cli(&["run", "--name", &name, "busybox", "true"])
        .code(125);
    assert!(ran.error().contains("is already in use"), "{ran}");
}

#[test]
fn the_id_is_written_to_a_file_that_must_be_new() {
    let host = TestHost::start();
    let file = host.scratch().join("id");
    let path = file.to_str().unwrap();
    let one = Running::new(&host, &["--cidfile", path, "busybox", "sleep", "600"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), one.id);
    let ran = host
        .cli(&["run", "--cidfile", path, "busybox", "true"])
        .code(125);
    assert!(ran.error().contains("container ID file found"), "{ran}");
}

#[test]
fn flags_after_the_image_belong_to_the_command() {
    let host = TestHost::start();
    let ran = host.cli(&["run", "--rm", "busybox", "echo", "--rm", "-it", "--", "x"]);
    assert_eq!(ran.success().text(), "--rm -it -- x\n");
}

#[test]
fn switches_can_be_turned_off() {
    let host = TestHost::start();
    let name = unique("off");
    host.cli(&["run", "--rm=false", "--name", &name, "busybox", "true"])
        .success();
    host.cli(&["rm", &name]).success();
}

#[test]
fn an_init_is_pid_1_and_reaps() {
    let host = TestHost::start();
    let script = "(sleep 0.01 & ) ; sleep 0.1; echo $$; ls -d /proc/[0-9]* | wc -l";
    let ran = host
        .cli(&["run", "--rm", "--init", "busybox", "sh", "-c", script])
        .success();
    let text = ran.text();
    let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_ne!(numbers[0], 1, "the command is not pid 1");
    // The init, the shell, ls and wc, and no dead orphan.
    assert!(numbers[1] <= 4, "{text}");
}

#[test]
fn hello_shows_what_a_container_sees() {
    let host = TestHost::start();
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let ran = host
        .cli(&["run", "--rm", "--memory", "64m", "corten/hello"])
        .success();
    for word in [
        "pid 1",
        "memory 64 MiB",
        "seccomp       filter",
        "namespaces",
    ] {
        assert!(ran.text().contains(word), "{word}: {ran}");
    }
}
