//! Limits, seen from inside.

use crate::Running;
use testing::TestHost;

/// Prints the first of these files that is there, for either version of control groups.
fn read(host: &TestHost, args: &[&str], files: &[&str]) -> String {
    let script = format!("cat {} 2>/dev/null | head -n 1", files.join(" "));
    let args: Vec<_> = ["run", "--rm"]
        .iter()
        .chain(args)
        .chain(&["busybox", "sh", "-c", &script])
        .copied()
        .collect();
    host.cli(&args).success().text().trim().to_owned()
}

#[test]
fn memory_is_limited() {
    let host = TestHost::start();
    let files = [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory.max",
    ];
    assert_eq!(read(&host, &["-m", "64m"], &files), (64 << 20).to_string());
}

#[test]
fn what_uses_too_much_memory_is_killed_and_that_is_known() {
    let host = TestHost::start();
    let name = crate::unique("oom");
    let script = "x=x; while :; do x=$x$x; done";
    let ran = host.cli(&[
        "run",
        "--name",
        &name,
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(ran.code, 137, "{ran}");
    assert_eq!(host.inspect(&name, "{{.State.OOMKilled}}"), "true");
    host.cli(&["rm", &name]).success();
}

#[test]
fn processes_are_limited() {
    let host = TestHost::start();
    let files = ["/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"];
    assert_eq!(read(&host, &["--pids-limit", "7"], &files), "7");
    let script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait";
    let ran = host.cli(&[
        "run",
        "--rm",
        "--pids-limit",
        "4",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    assert!(ran.error().contains("fork"), "{ran}");
}

#[test]
fn processors_are_limited() {
    let host = TestHost::start();
    let quota = read(
        &host,
        &["--cpus", "0.5"],
        &[
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
            "/sys/fs/cgroup/cpu.max",
        ],
    );
    assert!(quota == "50000" || quota == "50000 100000", "{quota}");
    let shares = read(
        &host,
        &["--cpu-shares", "512"],
        &["/sys/fs/cgroup/cpu/cpu.shares", "/sys/fs/cgroup/cpu.weight"],
    );
    assert!(
        shares == "512" || shares == "20" || shares == "59",
        "{shares}"
    );
    assert_eq!(
        read(
            &host,
            &["--cpuset-cpus", "0"],
            &[
                "/sys/fs/cgroup/cpuset/cpuset.cpus",
                "/sys/fs/cgroup/cpuset.cpus"
            ]
        ),
        "0"
    );
}

#[test]
fn resource_limits_of_processes_are_set() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--ulimit",
        "nofile=123:456",
        "busybox",
        "sh",
        "-c",
        "ulimit -Sn; ulimit -Hn",
    ]);
    assert_eq!(ran.success().text(), "123\n456\n");
}

#[test]
fn limits_of_a_running_container_change() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &[
            "-m",
            "64m",
            "--memory-swap",
            "-1",
            "busybox",
            "sleep",
            "600",
        ],
    );
    host.cli(&[
        "update",
        "-m",
        "32m",
        "--memory-swap",
        "-1",
        "--pids-limit",
        "9",
        &one.id,
    ])
    .success();
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null";
    let ran = host.cli(&["exec", &one.id, "sh", "-c", script]);
    assert_eq!(ran.text(), format!("{}\n9\n", 32 << 20));
    assert_eq!(
        host.inspect(&one.id, "{{.HostConfig.Memory}}"),
        (32 << 20).to_string()
    );
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let host = TestHost::start();
    for args in [
        &["-m", "1k"][..],
        &["--memory-swap", "5m", "-m", "64m"],
        &["--cpuset-cpus", "99999"],
    ] {
        let args: Vec<_> = ["run", "--rm"]
            .iter()
            .chain(args)
            .chain(&["busybox", "true"])
            .copied()
            .collect();
        host.cli(&args).code(125);
    }
}
