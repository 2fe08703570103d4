//! Containers whose ids are not the host's: `userns-remap`.

use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use testing::{TestHost, run};

const UIDS: u32 = 300_000;
const GIDS: u32 = 400_000;
const MORE: u32 = 700_000;

/// A host with a user who was given ids in two ranges, and a daemon without an image.
fn host_with(flags: &[&str]) -> TestHost {
    let mut host = TestHost::idle();
    host.own_etc(&[
        ("passwd", "remapped:x:64406:64406::/:/bin/sh"),
        ("group", "remapped:x:64406:"),
        ("subuid", &format!("other:1:2\nremapped:{UIDS}:1000")),
        ("subuid", &format!("64406:{MORE}:64536")),
        ("subgid", &format!("remapped:{GIDS}:65536")),
    ]);
    host.start_daemon_with(flags);
    host.import_image();
    host
}

fn host() -> TestHost {
    host_with(&["--userns-remap", "remapped"])
}

/// What a script in a new container says.
fn sh(host: &TestHost, args: &[&str], script: &str) -> String {
    let words = ["run", "--rm"].iter().chain(args);
    let words: Vec<_> = words
        .chain(&["busybox", "sh", "-c", script])
        .copied()
        .collect();
    host.cli(&words).success().text()
}

#[test]
fn ids_are_the_users_and_everything_of_the_container_is_its_roots() {
    let host = host();
    let maps = sh(&host, &[], "cat /proc/self/uid_map /proc/self/gid_map");
    let maps: Vec<Vec<u32>> = maps
        .lines()
        .map(|line| {
            line.split_whitespace()
                .map(|w| w.parse().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(
        maps,
        [[0, UIDS, 1000], [1000, MORE, 64_536], [0, GIDS, 65_536]]
    );
    let own = "/ /etc /etc/passwd /etc/hosts /etc/hostname /etc/resolv.conf /dev /dev/shm /dev/pts \
        /tmp/t /tmp/u";
    let script = format!("touch /x && stat -c '%n %u:%g' /x {own}");
    let mounts = ["--tmpfs", "/tmp/t", "--mount", "type=tmpfs,dst=/tmp/u"];
    for line in sh(&host, &mounts, &script).lines() {
        assert!(line.ends_with(" 0:0"), "{line}");
    }
    // The kernel's capabilities are those that docker gives, over what is the container's.
    let script = "grep CapEff /proc/self/status; hostname; \
        mknod /x2 c 1 3 || mount -t tmpfs none /mnt || echo refused";
    let said = sh(&host, &["--hostname", "here"], script);
    assert!(
        said.contains(
            "00000000a80425fb
here
refused
"
        ),
        "{said}"
    );
}

#[test]
fn networks_are_the_containers_own_to_set_up() {
    let host = host();
    host.cli(&["network", "create", "net"]).success();
    host.run_detached(&[
        "--network",
        "net",
        "--name",
        "one",
        "busybox",
        "sleep",
        "600",
    ]);
    // Its users own the namespace: they may change it, and their links are in /sys.
    let said = sh(
        &host,
        &[
            "--network",
            "net",
            "--cap-add",
            "NET_ADMIN",
            "--sysctl",
            "net.ipv4.ip_forward=1",
        ],
        "ip link set eth0 mtu 1400 && cat /sys/class/net/eth0/mtu /proc/sys/net/ipv4/ip_forward \
         && ping -c 1 -W 5 one | grep -c 'bytes from'",
    );
    assert_eq!(said, "1400\n1\n1\n");
    let none = sh(
        &host,
        &["--network", "none"],
        "ls /sys/class/net; ip addr show lo",
    );
    assert!(
        none.starts_with("lo\n") && none.contains("127.0.0.1/8"),
        "{none}"
    );
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn what_the_hosts_root_alone_can_give_is_refused_unless_the_container_has_the_hosts_ids() {
    let host = host();
    for (flags, words) in [
        (
            "--privileged",
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
        ),
        (
            "--network=host",
            "cannot share the host's network namespace when user namespaces are enabled",
        ),
        (
            "--pid=host",
            "cannot share the host PID namespace when user namespaces are enabled",
        ),
    ] {
        let ran = host
            .cli(&["run", "--rm", flags, "busybox", "true"])
            .code(125);
        assert!(ran.error().contains(words), "{ran}");
        let ids = sh(&host, &["--userns=host", flags], "cat /proc/self/uid_map");
        let ids: Vec<_> = ids.split_whitespace().collect();
        assert_eq!(ids, ["0", "0", "4294967295"]);
    }
    let request = r#"{"Image":"busybox","HostConfig":{"Privileged":true}}"#;
    assert_eq!(
        host.http("POST", "/containers/create", Some(request))
            .status,
        400
    );
    let info: Value = serde_json::from_slice(&host.http("GET", "/info", None).body).unwrap();
    assert_eq!(
        info["SecurityOptions"],
        serde_json::json!(["name=seccomp,profile=builtin", "name=userns"])
    );
}

/// What is in the archive that a command writes, with its owners' numbers.
fn listed(host: &TestHost, args: &[&str]) -> String {
    let mut list = std::process::Command::new("tar");
    list.args(["-tv", "--numeric-owner"]);
    let archive = host.cli(args).success().stdout;
    testing::run_with_input(list, archive).success().text()
}

#[test]
fn what_is_kept_has_ids_as_the_container_has_them() {
    let host = host();
    host.run_detached(&[
        "--name",
        "one",
        "-v",
        "data:/etc",
        "-v",
        "fresh:/fresh",
        "busybox",
        "sleep",
        "600",
    ]);
    let script = "touch /mine /fresh/mine && chown 7:8 /mine /fresh/mine && chown 1500:9 /home";
    host.cli(&["exec", "one", "sh", "-ec", script]).success();
    let stat = |args: &[&str]| host.cli(args).success().text();
    let fresh = host.paths().root.join("volumes/fresh/_data");
    let on_disk = std::fs::metadata(fresh.join("mine")).unwrap();
    assert_eq!((on_disk.uid(), on_disk.gid()), (7, 8));
    // What the image has was copied into the volume, and is the container's.
    let words = [
        "exec",
        "one",
        "stat",
        "-c",
        "%u:%g",
        "/etc/passwd",
        "/fresh",
        "/fresh/mine",
    ];
    assert_eq!(stat(&words), "0:0\n0:0\n7:8\n");
    let changed = host.cli(&["diff", "one"]).success().text();
    assert!(changed.contains("A /mine"), "{changed}");

    for stopped in [false, true] {
        if stopped {
            host.cli(&["stop", "-t", "0", "one"]).success();
        }
        for (path, expected) in [
            ("/mine", "7/8"),
            ("/home", "1500/9"),
            ("/fresh/mine", "7/8"),
        ] {
            let listed = listed(&host, &["cp", &format!("one:{path}"), "-"]);
            let first = listed.lines().next().unwrap_or_default();
            assert!(first.contains(&format!(" {expected} ")), "{path}: {first}");
        }
        let listed = listed(&host, &["export", "one"]);
        for (path, expected) in [(" mine", "7/8"), (" home/", "1500/9"), (" etc/", "0/0")] {
            let mut lines = listed.lines();
            let line = lines.find(|line| line.ends_with(path)).unwrap_or_default();
            assert!(line.contains(&format!(" {expected} ")), "{path}: {line}");
        }
        let file = host.scratch().join("given");
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::chown(&file, Some(1234), Some(55)).unwrap();
        let target = format!("one:/given{stopped}");
        host.cli(&["cp", "-a", &file.display().to_string(), &target])
            .success();
    }
    host.cli(&["start", "one"]).success();
    let words = [
        "exec",
        "one",
        "stat",
        "-c",
        "%u:%g",
        "/givenfalse",
        "/giventrue",
        "/mine",
    ];
    assert_eq!(stat(&words), "1234:55\n1234:55\n7:8\n");

    host.cli(&["commit", "one", "made"]).success();
    let script = "stat -c %u:%g /mine /home /givenfalse";
    for flags in [&[][..], &["--userns=host"]] {
        let words = ["run", "--rm"].iter().chain(flags);
        let words: Vec<_> = words
            .chain(&["made", "sh", "-c", script])
            .copied()
            .collect();
        assert_eq!(stat(&words), "7:8\n1500:9\n1234:55\n", "{flags:?}");
    }
    host.cli(&["rm", "-fv", "one"]).success();
}

#[test]
fn a_member_of_an_archive_whose_owner_cannot_be_is_refused_and_implied_parents_are_the_roots() {
    let host = host();
    host.run_detached(&["--name", "one", "busybox", "sleep", "600"]);
    let file = host.scratch().join("far");
    std::fs::write(&file, "x").unwrap();
    std::os::unix::fs::chown(&file, Some(70_000), Some(0)).unwrap();
    let ran = host
        .cli(&["cp", "-a", &file.display().to_string(), "one:/far"])
        .code(1);
    assert!(
        ran.error().contains("cannot be mapped to a host ID"),
        "{ran}"
    );
    let mut tar = std::process::Command::new("tar");
    std::fs::create_dir_all(host.scratch().join("a/b")).unwrap();
    std::fs::write(host.scratch().join("a/b/c"), "x").unwrap();
    tar.arg("-C").arg(host.scratch()).args([
        "--numeric-owner",
        "--owner=5",
        "--group=6",
        "-c",
        "a/b/c",
    ]);
    let archive = run(tar).success().stdout;
    host.cli_with_input(&["cp", "-", "one:/tmp"], archive)
        .success();
    let words = [
        "exec",
        "one",
        "stat",
        "-c",
        "%u:%g",
        "/tmp/a/b",
        "/tmp/a/b/c",
    ];
    assert_eq!(host.cli(&words).success().text(), "0:0\n5:6\n");
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn binds_of_the_host_keep_the_hosts_ids() {
    let host = host();
    let dir = host.scratch().join("bound");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("roots"), "x").unwrap();
    std::fs::write(dir.join("theirs"), "x").unwrap();
    std::os::unix::fs::chown(dir.join("theirs"), Some(UIDS + 3), Some(GIDS + 4)).unwrap();
    let bind = format!("{}:/b", dir.display());
    let script = "stat -c %u:%g /b/roots /b/theirs; touch /b/x 2>&1 || true";
    let said = sh(&host, &["-v", &bind], script);
    assert!(said.starts_with("65534:65534\n3:4\n"), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    // A volume that is a bind of the host's is one, too.
    let options = format!("device={}", dir.display());
    let create = [
        "volume",
        "create",
        "-o",
        "type=none",
        "-o",
        "o=bind",
        "-o",
        &options,
        "vol",
    ];
    host.cli(&create).success();
    assert!(sh(&host, &["-v", "vol:/b"], script).starts_with("65534:65534\n3:4\n"));
}

#[test]
fn copies_of_layers_are_seen_through_the_maps_too() {
    let host = host_with(&["--userns-remap", "remapped", "--storage-driver", "vfs"]);
    let script = "touch /x && chown 7:8 /x && sleep 600";
    host.run_detached(&["--name", "one", "busybox", "sh", "-c", script]);
    let words = [
        "exec",
        "one",
        "stat",
        "-c",
        "%u:%g",
        "/",
        "/etc/passwd",
        "/x",
    ];
    host.until("it is there", |host| {
        host.cli(&words).text() == "0:0\n0:0\n7:8\n"
    });
    host.cli(&["commit", "one", "made"]).success();
    let made = [
        "run",
        "--rm",
        "--userns=host",
        "made",
        "stat",
        "-c",
        "%u:%g",
        "/x",
    ];
    assert_eq!(host.cli(&made).success().text(), "7:8\n");
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn images_are_mounted_through_the_maps() {
    let host = host();
    let mount = ["--mount", "type=image,src=busybox,dst=/image"];
    let said = sh(&host, &mount, "stat -c %u:%g /image /image/etc/passwd");
    assert_eq!(said, "0:0\n0:0\n");
}

#[test]
fn execs_health_and_restarts_are_in_the_users_namespace() {
    let host = host();
    let check = "test $(id -u) = 0 && touch /checked";
    host.run_detached(&[
        "--name",
        "one",
        "--restart",
        "always",
        "--health-cmd",
        check,
        "--health-interval",
        "100ms",
        "busybox",
        "sleep",
        "600",
    ]);
    host.until("it is healthy", |host| {
        host.inspect("one", "{{.State.Health.Status}}") == "healthy"
    });
    let words = [
        "exec",
        "-u",
        "1001:5",
        "one",
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map",
    ];
    let said = host.cli(&words).success().text();
    assert!(said.starts_with("1001\n"), "{said}");
    assert!(said.contains(&UIDS.to_string()), "{said}");
    let words = ["exec", "one", "stat", "-c", "%u:%g", "/checked"];
    assert_eq!(host.cli(&words).success().text(), "0:0\n");
    let before = host.inspect("one", "{{.State.Pid}}");
    host.cli(&["restart", "-t", "0", "one"]).success();
    assert_ne!(host.inspect("one", "{{.State.Pid}}"), before);
    assert_eq!(host.cli(&words).success().text(), "0:0\n");
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn containers_that_share_namespaces_share_users() {
    let host = host();
    host.run_detached(&[
        "--name",
        "one",
        "--ipc",
        "shareable",
        "busybox",
        "sleep",
        "600",
    ]);
    let own = host
        .cli(&["exec", "one", "readlink", "/proc/self/ns/user"])
        .success()
        .text();
    for flags in [
        &["--network", "container:one"][..],
        &["--pid", "container:one"],
        &["--ipc", "container:one"],
        &["--network", "none", "--pid", "container:one"],
    ] {
        assert_eq!(
            sh(&host, flags, "readlink /proc/self/ns/user"),
            own,
            "{flags:?}"
        );
    }
    assert_ne!(sh(&host, &[], "readlink /proc/self/ns/user"), own);
    let said = sh(
        &host,
        &["--pid", "container:one"],
        "kill -0 1 && ip addr show eth0 | grep -c inet",
    );
    assert_eq!(said, "1\n");
    host.run_detached(&[
        "--name", "other", "--userns", "host", "busybox", "sleep", "600",
    ]);
    let ran = host
        .cli(&["run", "--rm", "--pid", "container:other", "busybox", "true"])
        .code(125);
    assert!(ran.error().contains("use --userns=host"), "{ran}");
    host.cli(&["rm", "-f", "one", "other"]).success();
}

#[test]
fn another_daemon_may_have_other_maps_over_the_same_files() {
    let mut host = host();
    host.run_detached(&["--name", "one", "-v", "vol:/v", "busybox", "sleep", "600"]);
    host.cli(&[
        "exec",
        "one",
        "sh",
        "-c",
        "touch /f /v/f; chown 3:4 /f /v/f",
    ])
    .success();
    let stat = ["exec", "one", "stat", "-c", "%u:%g", "/f", "/v/f"];
    for flags in [
        &[][..],
        &["--userns-remap", "64406:remapped"],
        &["--userns-remap", "default"],
    ] {
        host.kill_daemon();
        host.start_daemon_with(flags);
        // It has run on with the maps that it had.
        assert_eq!(host.cli(&stat).success().text(), "3:4\n3:4\n", "{flags:?}");
        let copied = host.cli(&["cp", "one:/f", "-"]).success().stdout;
        let mut list = std::process::Command::new("tar");
        list.args(["-tv", "--numeric-owner"]);
        let listed = testing::run_with_input(list, copied).success().text();
        assert!(listed.contains(" 3/4 "), "{listed}");
        host.cli(&["restart", "-t", "0", "one"]).success();
        assert_eq!(host.cli(&stat).success().text(), "3:4\n3:4\n", "{flags:?}");
        let map = host
            .cli(&["exec", "one", "cat", "/proc/self/uid_map"])
            .success()
            .text();
        let first = map.split_whitespace().nth(1).unwrap().to_owned();
        match flags {
            [] => assert_eq!(first, "0"),
            [_, "default"] => assert_eq!(first, (MORE + 64_536).to_string()),
            _ => assert_eq!(first, UIDS.to_string()),
        }
    }
    host.cli(&["rm", "-fv", "one"]).success();
}
