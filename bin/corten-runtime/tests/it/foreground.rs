//! Who stays with a container, with its terminal and with what it leaves.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn wait_until(what: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_container_that_is_kept_is_there_after_its_end() {
    let Some(bundle) = Bundle::new(&["sh", "-c", "exit 3"]) else {
        return;
    };
    let path = bundle.path().display().to_string();
    let run = ["run", "--keep", "--bundle", &path, &bundle.id];
    assert_eq!(bundle.run(&run).code, Some(3));
    assert_eq!(bundle.status(), "stopped");
    let said = bundle.fails(&run);
    assert!(said.contains("given ID already exists"), "{said}");
    bundle.ok(&["delete", &bundle.id]);
    let said = bundle.fails(&["state", &bundle.id]);
    assert!(said.contains("container does not exist"), "{said}");
}

/// The number in a line of `/proc/PID/status`.
fn status_of(pid: u32, line: &str) -> u32 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = text.lines().find_map(|one| one.strip_prefix(line));
    found.unwrap().trim().parse().unwrap()
}

/// Runs a container that sees the host's processes and leaves one of them to nobody; the runtime
/// that stays with it, and the process' number.
fn leaving(bundle: &Bundle, flags: &[&str]) -> (Child, u32) {
    let mut command = bundle.command(&["run"]);
    let command = command.args(flags).arg("--bundle").arg(bundle.path());
    let mut runtime = command
        .arg(&bundle.id)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(runtime.stdout.take().unwrap()).lines();
    let pid = lines.next().unwrap().unwrap().parse().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "left");
    (runtime, pid)
}

#[test]
fn what_a_container_leaves_is_the_runtimes_unless_it_is_no_subreaper() {
    let script = "sh -c 'sleep 100 >/dev/null & echo $!'; echo left; exec sleep 100";
    let Some(bundle) = Bundle::new(&["sh", "-c", script]) else {
        return;
    };
    bundle.change(|spec| {
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
    });
    for (flags, is_runtimes) in [(&[][..], true), (&["--no-subreaper"], false)] {
        let (mut runtime, left) = leaving(&bundle, flags);
        let parent = status_of(left, "PPid:");
        assert_eq!(parent == runtime.id(), is_runtimes, "{flags:?}: {parent}");
        bundle.ok(&["kill", "--all", &bundle.id, "KILL"]);
        assert_eq!(runtime.wait().unwrap().code(), Some(128 + 9));
        wait_until(|| !fs::exists(format!("/proc/{left}/exe")).unwrap());
    }
}

#[test]
fn an_executed_process_has_a_terminal_if_it_is_asked_for() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    let tty = |flags: &[&str]| bundle.run(&[&["exec"], flags, &[&bundle.id, "tty"]].concat());
    assert_eq!(tty(&["--tty"]).out, "/dev/pts/0\n");
    assert_eq!(tty(&["--tty=false"]).out, "not a tty\n");
    let said = bundle.fails(&["exec", "--tty", "--detach", &bundle.id, "tty"]);
    let words = "cannot allocate tty if runc will detach without setting console socket";
    assert!(said.contains(words), "{said}");
    let process = bundle.path().join("process.json");
    let document = json!({"terminal": true, "args": ["tty"], "cwd": "/", "env": ["PATH=/bin"]});
    fs::write(&process, document.to_string()).unwrap();
    let said = bundle.ok(&["exec", "--process", process.to_str().unwrap(), &bundle.id]);
    assert_eq!(said, "/dev/pts/0\n");
}

/// The processes in a container's groups.
fn members(bundle: &Bundle) -> usize {
    let groups = bundle.groups();
    let texts = groups
        .iter()
        .filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok());
    texts.map(|text| text.lines().count()).max().unwrap_or(0)
}

#[test]
fn a_process_that_ignores_the_pause_begins_when_it_is_over() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    bundle.ok(&["pause", &bundle.id]);
    let line = ["exec", "--ignore-paused", &bundle.id, "echo", "over"];
    let waiting = bundle
        .command(&line)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| members(&bundle) == 2);
    assert_eq!(bundle.status(), "paused");
    bundle.ok(&["resume", &bundle.id]);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"over\n"[..])
    );
}

#[test]
fn events_are_told_until_the_container_ends() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    let mut command = bundle.command(&["events", "--interval", "20ms", &bundle.id]);
    let mut telling = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(telling.stdout.take().unwrap()).lines();
    for line in lines.by_ref().take(3) {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(
            (&event["type"], &event["id"]),
            (&json!("stats"), &json!(bundle.id))
        );
    }
    bundle.ok(&["kill", &bundle.id, "KILL"]);
    assert!(lines.all(|line| line.is_ok()));
    assert!(telling.wait().unwrap().success());
}

#[test]
fn a_keyring_of_its_own_is_the_containers_unless_it_shall_have_none() {
    let Some(bundle) = Bundle::new(&["cat", "/proc/keys"]) else {
        return;
    };
    bundle.change(|spec| spec["linux"]["maskedPaths"] = json!([]));
    let path = bundle.path().display().to_string();
    let own = format!("_ses.{}", bundle.id);
    // A keyring may outlive its container for a moment.
    for (flags, has) in [(&["--no-new-keyring"][..], false), (&[], true)] {
        let keys = bundle.ok(&[&["run", "--bundle", &path], flags, &[&bundle.id]].concat());
        assert_eq!(keys.contains(&own), has, "{flags:?}: {keys}");
    }
}
