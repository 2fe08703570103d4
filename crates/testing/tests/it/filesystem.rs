//! A container's files: its own, and those it is given.

use crate::Running;
use testing::TestHost;

fn sh(host: &TestHost, args: &[&str], script: &str) -> testing::Ran {
    let args: Vec<_> = ["run", "--rm"]
        .iter()
        .chain(args)
        .chain(&["busybox", "sh", "-c", script])
        .copied()
        .collect();
    host.cli(&args)
}

#[test]
fn what_one_container_writes_no_other_sees() {
    let host = TestHost::start();
    sh(&host, &[], "echo x > /file; rm /etc/group; cat /file").success();
    let ran = sh(
        &host,
        &[],
        "test ! -e /file && test -e /etc/group && echo clean",
    )
    .success();
    assert_eq!(ran.text(), "clean\n");
}

#[test]
fn a_read_only_root_takes_no_writes_but_its_tmpfs_does() {
    let host = TestHost::start();
    let ran = sh(
        &host,
        &["--read-only", "--tmpfs", "/run:size=1m,mode=700"],
        "echo x > /run/file && cat /run/file; echo y > /file",
    )
    .code(1);
    assert_eq!(ran.text(), "x\n");
    assert!(ran.error().contains("Read-only file system"), "{ran}");
}

#[test]
fn a_bind_mount_shows_the_hosts_directory() {
    let host = TestHost::start();
    let directory = host.scratch().join("shared");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("in"), "from the host\n").unwrap();
    let bind = format!("{}:/shared", directory.display());
    let ran = sh(
        &host,
        &["-v", &bind],
        "cat /shared/in; echo from inside > /shared/out",
    )
    .success();
    assert_eq!(ran.text(), "from the host\n");
    assert_eq!(
        std::fs::read_to_string(directory.join("out")).unwrap(),
        "from inside\n"
    );
    let read_only = format!("{bind}:ro");
    let ran = sh(&host, &["-v", &read_only], "echo x > /shared/out").code(1);
    assert!(ran.error().contains("Read-only file system"), "{ran}");
    let mount = format!(
        "type=bind,source={},target=/m,readonly",
        directory.display()
    );
    assert_eq!(
        sh(&host, &["--mount", &mount], "cat /m/in")
            .success()
            .text(),
        "from the host\n"
    );
}

#[test]
fn a_bind_mount_of_a_file_works() {
    let host = TestHost::start();
    let file = host.scratch().join("one");
    std::fs::write(&file, "only this\n").unwrap();
    let bind = format!("{}:/etc/one", file.display());
    assert_eq!(
        sh(&host, &["-v", &bind], "cat /etc/one").success().text(),
        "only this\n"
    );
}

#[test]
fn a_mount_without_its_source_is_refused() {
    let host = TestHost::start();
    let ran = host
        .cli(&[
            "run",
            "--rm",
            "--mount",
            "type=bind,source=/no/such/source,target=/m",
            "busybox",
            "true",
        ])
        .code(125);
    assert!(
        ran.error()
            .contains("bind source path does not exist: /no/such/source"),
        "{ran}"
    );
}

#[test]
fn a_tmpfs_has_its_size_and_mode() {
    let host = TestHost::start();
    let ran = sh(
        &host,
        &["--tmpfs", "/t:size=65536,mode=1770"],
        "stat -c %a /t; head -c 100000 /dev/zero > /t/x || echo full",
    )
    .success();
    assert!(ran.text().starts_with("1770\n"), "{ran}");
    assert!(ran.text().ends_with("full\n"), "{ran}");
}

#[test]
fn shared_memory_has_its_size() {
    let host = TestHost::start();
    let ran = sh(&host, &["--shm-size", "3m"], "df -k /dev/shm | tail -1").success();
    assert!(ran.text().contains(" 3072 "), "{ran}");
}

#[test]
fn devices_are_the_usual_ones_and_those_that_were_asked_for() {
    let host = TestHost::start();
    let script = "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; test -e /dev/kmsg && echo kmsg; echo x > /dev/null; ls /dev/pts /dev/shm /dev/mqueue > /dev/null";
    assert_eq!(sh(&host, &[], script).success().text(), "");
    let ran = sh(
        &host,
        &["--device", "/dev/kmsg:/dev/kernel-log:r"],
        "test -c /dev/kernel-log && echo there",
    )
    .success();
    assert_eq!(ran.text(), "there\n");
}

#[test]
fn changes_live_as_long_as_the_container() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &[
            "busybox",
            "sh",
            "-c",
            "test -e /file && echo again; touch /file",
        ],
    );
    host.cli(&["wait", &one.id]).success();
    assert_eq!(
        host.cli(&["start", "-a", &one.id]).success().text(),
        "again\n"
    );
}

#[test]
fn the_daemon_says_how_large_shared_memory_is_where_nobody_does() {
    let mut host = TestHost::idle();
    // What docker's own unit says besides changes nothing.
    let unit = "--containerd=/run/containerd/containerd.sock";
    host.start_daemon_with(&["--default-shm-size", "3m", unit, "--iptables"]);
    host.import_image();
    let size = |flags: &[&str]| {
        sh(&host, flags, "df -k /dev/shm | tail -1")
            .success()
            .text()
    };
    assert!(size(&[]).contains(" 3072 "), "{}", size(&[]));
    assert!(size(&["--shm-size", "2m"]).contains(" 2048 "));
    host.cli(&["create", "--name", "one", "busybox"]).success();
    assert_eq!(host.inspect("one", "{{.HostConfig.ShmSize}}"), "3145728");
    host.cli(&["rm", "one"]).success();
}

#[test]
fn a_mount_over_etc_does_not_hide_what_tells_of_the_network() {
    let host = TestHost::start();
    let script = "cat /etc/hostname; grep -c own-name /etc/hosts; test -s /etc/resolv.conf && \
                  df -k /dev/shm | tail -1 | awk '{print $2}'";
    for over in [
        &["-v", "over-etc:/etc"][..],
        &["--tmpfs", "/etc"],
        &["-v", "over-dev:/etc", "--tmpfs", "/dev"],
    ] {
        let options = [over, &["--hostname", "own-name", "--shm-size", "8m"]].concat();
        let ran = sh(&host, &options, script).success();
        assert_eq!(ran.text(), "own-name\n1\n8192\n", "{over:?}");
    }
    host.cli(&["volume", "rm", "over-etc", "over-dev"])
        .success();
}

#[test]
fn what_is_bound_is_made_again_or_refused_when_it_has_gone_before_the_start() {
    let host = TestHost::start();
    let source = host.scratch().join("bound");
    let path = source.to_str().unwrap();
    std::fs::create_dir(&source).unwrap();
    let volume = format!("{path}:/x");
    let mount = format!("type=bind,src={path},dst=/x");
    let program = ["busybox", "ls", "-d", "/x"];
    let made = ["create", "--name", "made", "-v", &volume];
    host.cli(&[&made[..], &program[..]].concat()).success();
    let refused = ["create", "--name", "refused", "--mount", &mount];
    host.cli(&[&refused[..], &program[..]].concat()).success();
    std::fs::remove_dir(&source).unwrap();
    let error = host.cli(&["start", "refused"]).code(1).error();
    let words =
        format!("invalid mount config for type \"bind\": bind source path does not exist: {path}");
    assert!(error.contains(&words), "{error}");
    assert_eq!(host.inspect("refused", "{{.State.Status}}"), "created");
    let ran = host.cli(&["start", "-a", "made"]).success();
    assert_eq!(ran.text(), "/x\n");
    assert!(source.is_dir());
}
