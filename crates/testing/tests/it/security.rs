//! What a container may do, seen from inside.

use testing::TestHost;

fn status(host: &TestHost, args: &[&str], field: &str) -> String {
    let pattern = format!("^{field}:");
    let args: Vec<_> = ["run", "--rm"]
        .iter()
        .chain(args)
        .chain(&["busybox", "grep", &pattern, "/proc/self/status"])
        .copied()
        .collect();
    let text = host.cli(&args).success().text();
    text.split('\t').nth(1).unwrap().trim().to_owned()
}

#[test]
fn capabilities_are_dockers_fourteen() {
    let host = TestHost::start();
    assert_eq!(status(&host, &[], "CapEff"), "00000000a80425fb");
    assert_eq!(status(&host, &[], "CapBnd"), "00000000a80425fb");
}

#[test]
fn capabilities_are_added_and_dropped() {
    let host = TestHost::start();
    assert_eq!(
        status(&host, &["--cap-drop", "ALL"], "CapEff"),
        "0000000000000000"
    );
    assert_eq!(
        status(
            &host,
            &["--cap-drop", "ALL", "--cap-add", "CHOWN"],
            "CapEff"
        ),
        "0000000000000001"
    );
    assert_eq!(
        status(&host, &["--cap-add", "CAP_NET_ADMIN"], "CapEff"),
        "00000000a80435fb"
    );
    let ran = host
        .cli(&["run", "--rm", "--cap-add", "NONSENSE", "busybox", "true"])
        .code(125);
    assert!(ran.error().contains("NONSENSE"), "{ran}");
}

#[test]
fn a_user_that_is_not_root_has_none_in_effect() {
    let host = TestHost::start();
    assert_eq!(
        status(&host, &["-u", "alice"], "CapEff"),
        "0000000000000000"
    );
    assert_eq!(
        status(&host, &["-u", "alice"], "CapBnd"),
        "00000000a80425fb"
    );
}

#[test]
fn seccomp_filters_unless_it_is_unconfined() {
    let host = TestHost::start();
    assert_eq!(status(&host, &[], "Seccomp"), "2");
    assert_eq!(
        status(&host, &["--security-opt", "seccomp=unconfined"], "Seccomp"),
        "0"
    );
    let ran = host.cli(&[
        "run",
        "--rm",
        "--cap-add",
        "SYS_TIME",
        "busybox",
        "unshare",
        "-U",
        "true",
    ]);
    assert_ne!(
        ran.code, 0,
        "a user namespace needs CAP_SYS_ADMIN by the default profile"
    );
}

#[test]
fn a_profile_in_a_file_is_used() {
    let host = TestHost::start();
    let file = host.scratch().join("profile.json");
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#;
    std::fs::write(&file, profile).unwrap();
    let option = format!("seccomp={}", file.display());
    let ran = host
        .cli(&[
            "run",
            "--rm",
            "--security-opt",
            &option,
            "busybox",
            "mkdir",
            "/x",
        ])
        .code(1);
    // The program's own words for the number that the profile answers with.
    let words = std::io::Error::from_raw_os_error(38).to_string();
    let words = words.trim_end_matches(" (os error 38)");
    assert!(ran.error().contains(words), "{ran}");
    host.cli(&[
        "run",
        "--rm",
        "--security-opt",
        "seccomp=/no/such/file",
        "busybox",
        "true",
    ])
    .code(125);
}

#[test]
fn no_new_privileges_is_set_when_asked_for() {
    let host = TestHost::start();
    assert_eq!(status(&host, &[], "NoNewPrivs"), "0");
    assert_eq!(
        status(
            &host,
            &["--security-opt", "no-new-privileges"],
            "NoNewPrivs"
        ),
        "1"
    );
}

#[test]
fn sensitive_paths_are_masked_and_read_only() {
    let host = TestHost::start();
    let script = "test ! -s /proc/kcore && echo masked; echo x > /proc/sys/kernel/domainname; echo h > /proc/sys/kernel/hostname; ls /proc/scsi /sys/firmware 2>/dev/null | grep -v :";
    let ran = host.cli(&["run", "--rm", "busybox", "sh", "-c", script]);
    assert!(ran.text().contains("masked"), "{ran}");
    assert_eq!(
        ran.error().matches("Read-only file system").count(),
        2,
        "{ran}"
    );
    let script = "wc -c < /proc/timer_list; mount | grep -c 'proc.*ro,' ";
    let ran = host.cli(&[
        "run",
        "--rm",
        "--security-opt",
        "systempaths=unconfined",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    assert!(ran.text().trim_end().ends_with('0'), "{ran}");
}

#[test]
fn privileged_has_all_capabilities_and_the_hosts_devices() {
    let host = TestHost::start();
    let whole = std::fs::read_to_string("/proc/self/status").unwrap();
    let whole = whole
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:\t"))
        .unwrap()
        .to_owned();
    assert_eq!(status(&host, &["--privileged"], "CapEff"), whole);
    assert_eq!(status(&host, &["--privileged"], "Seccomp"), "0");
    let ran = host.cli(&[
        "run",
        "--rm",
        "--privileged",
        "busybox",
        "sh",
        "-c",
        "test -e /dev/kmsg && mount -t tmpfs x /tmp && echo mounted",
    ]);
    assert_eq!(ran.success().text(), "mounted\n");
}

#[test]
fn devices_that_were_not_given_cannot_be_used() {
    let host = TestHost::start();
    let open = |args: &[&str]| {
        let script = "mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg of=/dev/null count=0";
        let args: Vec<_> = ["run", "--rm", "--cap-add", "SYSLOG"]
            .iter()
            .chain(args)
            .chain(&["busybox", "sh", "-c", script])
            .copied()
            .collect();
        host.cli(&args)
    };
    let ran = open(&[]).code(1);
    assert!(ran.error().contains("Operation not permitted"), "{ran}");
    open(&["--device-cgroup-rule", "c 1:11 r"]).success();
}

#[test]
fn kernel_parameters_of_the_namespace_are_set() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--sysctl",
        "net.ipv4.ip_default_ttl=42",
        "busybox",
        "cat",
        "/proc/sys/net/ipv4/ip_default_ttl",
    ]);
    assert_eq!(ran.success().text(), "42\n");
    let ran = host.cli(&[
        "run",
        "--rm",
        "--sysctl",
        "vm.swappiness=1",
        "busybox",
        "true",
    ]);
    assert_ne!(ran.code, 0, "what is not in a namespace is refused");
}

#[test]
fn without_a_network_there_is_only_the_loopback() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--network",
        "none",
        "busybox",
        "ls",
        "/sys/class/net",
    ]);
    let text = ran.success().text();
    let names: Vec<_> = text.split_whitespace().collect();
    assert!(names.contains(&"lo") && !names.contains(&"eth0"), "{text}");
}

#[test]
fn the_hosts_namespaces_are_shared_when_asked_for() {
    let host = TestHost::start();
    for (flag, name) in [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts")] {
        let path = format!("/proc/self/ns/{name}");
        let ran = host.cli(&["run", "--rm", flag, "host", "busybox", "readlink", &path]);
        let ours = std::fs::read_link(&path).unwrap();
        assert_eq!(
            ran.success().text().trim(),
            ours.to_str().unwrap(),
            "{flag}"
        );
    }
}

#[test]
fn additional_groups_are_joined() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--group-add",
        "wheel",
        "--group-add",
        "77",
        "busybox",
        "id",
        "-G",
    ]);
    assert_eq!(ran.success().text(), "0 10 77\n");
}
