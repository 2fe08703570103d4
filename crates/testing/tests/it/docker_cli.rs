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

/// Options of `docker run`, its exit status, and what it says: read from docker 28.
const REFUSED: [(&[&str], i32, &str); 23] = [
    (
        &["--cap-add", "NOPE"],
        125,
        r#"invalid CapAdd: unknown capability: "CAP_NOPE""#,
    ),
    (
        &["--security-opt", "foo=bar"],
        125,
        r#"invalid --security-opt 2: "foo=bar""#,
    ),
    (&["--ipc", "bogus"], 125, "invalid IPC mode: bogus"),
    (&["-m", "4m"], 125, "Minimum memory limit allowed is 6MB"),
    (
        &["--memory-swap", "1m"],
        125,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    ),
    (
        &["--memory-reservation", "10m", "-m", "9m"],
        125,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    ),
    (
        &["--oom-score-adj", "2000"],
        125,
        "Invalid value 2000, range for oom score adj is [-1000, 1000]",
    ),
    (
        &["--cpuset-cpus", "1-x"],
        125,
        "Invalid value 1-x for cpuset cpus: invalid format: 1-x",
    ),
    (
        &["-h", "name", "--uts", "host"],
        125,
        "conflicting options: hostname and the UTS mode",
    ),
    (
        &["--isolation", "hyperv"],
        125,
        "invalid isolation (hyperv): linux only supports 'default'",
    ),
    (
        &["--isolation", "process"],
        125,
        "invalid isolation (process): linux only supports 'default'",
    ),
    (
        &["-w", "rel"],
        125,
        "the working directory 'rel' is invalid, it needs to be an absolute path",
    ),
    (
        &["-v", "v1:/data", "--tmpfs", "/data"],
        125,
        "Duplicate mount point: /data",
    ),
    (
        &["--mount", "type=bind,src=/tmp,dst=/m,bind-propagation=x"],
        125,
        r#"invalid mount config for type "bind": invalid propagation mode: x"#,
    ),
    (
        &["--ip", "1.2.3.4"],
        125,
        "invalid config for network bridge: invalid endpoint settings:\n\
         * user specified IP address is supported on user defined networks only\n\
         * no configured subnet or ip-range contain the IP address 1.2.3.4",
    ),
    (
        &["--gpus", "all"],
        125,
        r#"could not select device driver "" with capabilities: [[gpu]]"#,
    ),
    (
        &["--mount", "type=bogus,dst=/x"],
        125,
        r#"invalid mount config for type "bogus": mount type unknown"#,
    ),
    (
        &["--volumes-from", "nosuch"],
        125,
        "No such container: nosuch",
    ),
    (
        &["--pid", "container:nosuch"],
        125,
        "No such container: nosuch",
    ),
    (
        &["--network", "container:nosuch"],
        125,
        "joining network namespace of container: No such container: nosuch",
    ),
    (
        &["-u", "ghost"],
        125,
        "unable to find user ghost: no matching entries in passwd file",
    ),
    (
        &["-u", "0:ghost"],
        125,
        "unable to find group ghost: no matching entries in group file",
    ),
    (
        &["--entrypoint", "/etc"],
        126,
        concat!(
            "failed to create task for container: failed to create shim task: OCI runtime create \
             failed: runc create failed: unable to start container process: error during \
             container init: ",
            r#"exec: "/etc": is a directory: permission denied"#
        ),
    ),
];

#[test]
fn what_is_refused_is_said_in_dockers_words() {
    if missing("what_is_refused_is_said_in_dockers_words", "docker") {
        return;
    }
    let host = TestHost::start();
    for (options, code, words) in REFUSED {
        let args: Vec<_> = ["run", "--rm"]
            .iter()
            .chain(options)
            .chain(&["busybox", "true"])
            .copied()
            .collect();
        let ran = host.docker(&args);
        let said = format!("docker: Error response from daemon: {words}\n");
        assert!(ran.error().starts_with(&said), "{options:?}: {ran}");
        assert_eq!(ran.code, code, "{options:?}: {ran}");
    }
}

#[test]
fn what_a_container_cannot_be_set_up_with_is_told_behind_words_that_others_look_for() {
    let test = "what_a_container_cannot_be_set_up_with_is_told_behind_words_that_others_look_for";
    if missing(test, "docker") {
        return;
    }
    let host = TestHost::start();
    let before = "docker: Error response from daemon: failed to create task for container: \
                  failed to create shim task: OCI runtime create failed: runc create failed: ";
    let run = |option: &str, value: &str| {
        // Its exit status is the one of what is not there.
        let ran = host.docker(&["run", "--rm", option, value, "busybox", "true"]);
        ran.code(127).error()
    };
    let told = run("--sysctl", "net.ipv4.nosuch=1");
    assert!(told.starts_with(before), "{told}");
    assert!(told.contains("sys/net/ipv4/nosuch"), "{told}");
    assert!(!told.contains("os error"), "{told}");
    let told = run(
        "--mount",
        "type=volume,src=vol,dst=/d,volume-subpath=no/such",
    );
    let before = "docker: Error response from daemon: cannot access path ";
    assert!(told.starts_with(before), "{told}");
    let words = "/vol/_data/no/such: no such file or directory\n";
    assert!(told.contains(words), "{told}");
    host.cli(&["volume", "rm", "vol"]).success();
}

#[test]
fn what_cannot_be_executed_in_a_container_is_said_where_docker_says_it() {
    if missing(
        "what_cannot_be_executed_in_a_container_is_said_where_docker_says_it",
        "docker",
    ) {
        return;
    }
    let host = TestHost::start();
    let name = unique("docker");
    host.run_detached(&["--name", &name, "busybox", "sleep", "600"]);
    let failed = "OCI runtime exec failed: exec failed: unable to start container process:";
    for (options, program, code, words) in [
        (
            &[][..],
            "nosuch",
            127,
            r#"exec: "nosuch": executable file not found in $PATH"#,
        ),
        (
            &[],
            "/nosuch",
            127,
            r#"exec: "/nosuch": stat /nosuch: no such file or directory"#,
        ),
        (
            &[],
            "/etc",
            126,
            r#"exec: "/etc": is a directory: permission denied"#,
        ),
        (
            &["-w", "/nope"],
            "true",
            127,
            r#"chdir to cwd ("/nope") set in config.json failed: no such file or directory"#,
        ),
    ] {
        let args = [&["exec"], options, &[&name, program]].concat();
        let ran = host.docker(&args).code(code);
        assert_eq!(ran.text(), format!("{failed} {words}\r\n"), "{program}");
    }
    host.docker(&["pause", &name]).success();
    let ran = host.docker(&["exec", &name, "true"]).code(1);
    assert_eq!(
        ran.error(),
        format!(
            "Error response from daemon: Container {name} is paused, unpause the container before exec\n"
        )
    );
    host.docker(&["unpause", &name]).success();
    let ran = host.docker(&["rename", &name, "a b"]).code(1);
    // Some versions of the client add a line of their own.
    assert_eq!(
        ran.error().lines().next(),
        Some(
            "Error response from daemon: Error when allocating new name: Invalid container name \
             (/a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
    );
    let ran = host.docker(&["plugin", "inspect", "nosuch"]).code(1);
    assert_eq!(
        ran.error(),
        "Error response from daemon: plugin \"nosuch\" not found\n"
    );
    host.docker(&["events", "--filter", "bogus=1", "--until", "0s"])
        .success();
    host.docker(&["rm", "-f", &name]).success();
}

#[test]
fn inspect_shows_the_default_masks_and_runtime() {
    if missing("inspect_shows_the_default_masks_and_runtime", "docker") {
        return;
    }
    let host = TestHost::start();
    let name = unique("docker");
    let shown = |options: &[&str]| {
        let args = [&["create", "--name", &name], options, &["busybox"]].concat();
        host.docker(&args).success();
        let format = "{{len .HostConfig.MaskedPaths}} {{len .HostConfig.ReadonlyPaths}} {{.HostConfig.Runtime}}";
        let text = host.docker(&["inspect", "--format", format, &name]);
        host.docker(&["rm", &name]).success();
        text.success().text()
    };
    assert_eq!(shown(&[]), "12 5 runc\n");
    assert_eq!(shown(&["--privileged"]), "0 0 runc\n");
    assert_eq!(
        shown(&["--runtime", "io.containerd.runc.v2"]),
        "12 5 io.containerd.runc.v2\n"
    );
}

#[test]
fn the_processes_of_another_container_are_joined() {
    if missing("the_processes_of_another_container_are_joined", "docker") {
        return;
    }
    let host = TestHost::start();
    let name = unique("docker");
    host.run_detached(&["--name", &name, "busybox", "sleep", "654"]);
    let pid = format!("container:{name}");
    let ran = host.docker(&[
        "run", "--rm", "--pid", &pid, "busybox", "ps", "-o", "pid,args",
    ]);
    let text = ran.success().text();
    assert!(
        text.lines().any(|line| line.trim() == "1 sleep 654"),
        "{text}"
    );
    // The one ends, the other runs on.
    assert_eq!(host.inspect(&name, "{{.State.Running}}"), "true");
    host.docker(&["stop", "-t", "0", &name]).success();
    let ran = host.docker(&["run", "--rm", "--pid", &pid, "busybox", "true"]);
    assert!(
        ran.error()
            .contains("failed to join PID namespace: container"),
        "{ran}"
    );
    host.docker(&["rm", &name]).success();
}

/// CVE-2022-36109: the group itself is among the supplementary ones.
#[test]
fn a_numeric_user_has_its_group_as_a_supplementary_one() {
    let host = TestHost::start();
    let script = "grep Groups /proc/self/status";
    let ran = host.cli(&[
        "run",
        "--rm",
        "-u",
        "1000:1000",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(ran.success().text().trim(), "Groups:\t1000");
    let name = unique("groups");
    host.run_detached(&["--name", &name, "busybox", "sleep", "600"]);
    let ran = host.cli(&["exec", "-u", "7:8", &name, "sh", "-c", script]);
    assert_eq!(ran.success().text().trim(), "Groups:\t8");
    host.cli(&["rm", "-f", &name]).success();
}

#[test]
fn stats_tell_what_went_through_each_interface() {
    let host = TestHost::start();
    let name = unique("stats");
    host.run_detached(&["--name", &name, "busybox", "sleep", "600"]);
    let told = |name: &str| {
        let path = format!("/containers/{name}/stats?stream=0&one-shot=1");
        let answer = host.http("GET", &path, None);
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    let eth0 = &told(&name)["networks"]["eth0"];
    assert!(
        eth0["rx_bytes"].is_u64() && eth0["tx_dropped"].is_u64(),
        "{eth0}"
    );
    host.cli(&["rm", "-f", &name]).success();
}

#[test]
fn docker_prunes_everything_at_once() {
    if missing("docker_prunes_everything_at_once", "docker") {
        return;
    }
    let host = TestHost::start();
    let name = unique("docker");
    host.cli(&["create", "--name", &name, "busybox", "true"])
        .success();
    let ran = host.docker(&["system", "prune", "-f"]).success();
    assert!(ran.text().contains("Deleted Containers:"), "{ran}");
    host.docker(&["inspect", &name]).code(1);
    let ran = host.docker(&["builder", "prune", "-f"]).success();
    assert!(ran.text().ends_with("0B\n"), "{ran}");
    let filters = "filters=%7B%22until%22%3A%7B%22x%22%3Atrue%7D%7D";
    let answer = host.http("POST", &format!("/build/prune?{filters}"), None);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains(r#"time or duration: \"x\""#));
}

#[test]
fn docker_hears_why_nothing_was_pushed_behind_what_would_have_been() {
    let test = "docker_hears_why_nothing_was_pushed_behind_what_would_have_been";
    if missing(test, "docker") {
        return;
    }
    let host = TestHost::start();
    let ran = host.docker(&["push", "nosuch"]).code(1);
    let refers = "The push refers to repository [docker.io/library/nosuch]\n";
    assert!(ran.text().ends_with(refers), "{ran}");
    let words = "An image does not exist locally with the tag: nosuch\n";
    assert_eq!(ran.error(), words);
}
