//! The shim that is started ahead.

use std::os::unix::fs::MetadataExt as _;
use testing::TestHost;

#[test]
fn the_next_container_gets_the_shim_that_waits_and_namespaces_of_its_own() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let waiting = await_spare(&host);
    let name = std::fs::read_to_string(format!("/proc/{waiting}/comm")).unwrap();
    assert_eq!(name, "corten-shim\n");
    let run = ["--network", "none", "busybox", "sleep", "600"];
    let first = host.run_detached(&run);
    let shim = std::fs::read(host.paths().shims().join(&first).join("shim.json")).unwrap();
    let shim: serde_json::Value = serde_json::from_slice(&shim).unwrap();
    assert_eq!(shim["process"]["pid"], waiting);
    let second = host.run_detached(&run);
    for kind in ["net", "ipc", "uts", "pid", "mnt"] {
        let of = |pid: &str| {
            std::fs::metadata(format!("/proc/{pid}/ns/{kind}"))
                .unwrap()
                .ino()
        };
        let pid = |id: &str| {
            let args = ["inspect", "--format", "{{.State.Pid}}", id];
            host.cli(&args).success().text().trim().to_owned()
        };
        let all = [
            of(&pid(&first)),
            of(&pid(&second)),
            of("self"),
            of(&waiting.to_string()),
        ];
        assert_ne!(all[0], all[1], "{kind}");
        assert!(
            !all[2..].contains(&all[0]) && !all[2..].contains(&all[1]),
            "{kind}"
        );
    }
    let up = ["exec", &first, "cat", "/sys/class/net/lo/flags"];
    assert_eq!(host.cli(&up).success().text().trim(), "0x9");
}

/// What a container sees of its mounts, devices, groups and namespaces.
const LOOK: &str = "cut -d' ' -f4- /proc/self/mountinfo | sed 's/ master:[0-9]*//; s,/fd/[0-9]*,/fd/N,' | sort; \
    ls -lan /dev /dev/pts /dev/shm /sys/fs/cgroup | tr -s ' ' | cut -d' ' -f1-6,10-; \
    cat /proc/self/cgroup /proc/self/limits /etc/hosts /etc/resolv.conf; ls /sys/class/net; \
    for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max \
        /sys/fs/cgroup/devices/devices.list /sys/fs/cgroup/memory.max; do cat $file; done; \
    echo $(stat -c %a / /dev /dev/shm /sys/fs/cgroup); umask";

#[test]
fn what_is_made_ahead_is_as_what_is_made_when_it_is_needed() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let options: [&[&str]; 14] = [
        &["--network", "none"],
        &["--network", "none", "--memory", "64m", "--pids-limit", "64"],
        &["--network", "none", "-t"],
        &["--network", "none", "--read-only", "--init"],
        &["--network", "none", "--privileged"],
        &["--network", "none", "--device", "/dev/null:/dev/x"],
        &["--network", "none", "--device", "/dev/null:/dev/zero"],
        &["--network", "none", "--shm-size", "1m"],
        &["--network", "none", "--tmpfs", "/dev/deep/er:mode=700"],
        &["--network", "none", "--tmpfs", "/dev/pts"],
        &["--network", "none", "--tmpfs", "/sys/fs/cgroup"],
        &["--network", "none", "--ipc", "none", "--cgroupns", "host"],
        &["--network", "none", "--cpuset-cpus", "0"],
        &["--network", "host", "--ipc", "host", "--pid", "host"],
    ];
    for options in options {
        let look = |host: &TestHost| {
            let name = format!("look-{}", options.len());
            let mut args = vec!["run", "--rm", "--hostname", "look"];
            args.extend(["--name", &name]);
            args.extend(options);
            args.extend(["busybox", "sh", "-c", LOOK]);
            normalized(&host.cli(&args).text())
        };
        end_spare(&host);
        let without = look(&host);
        await_begun(&host);
        assert_eq!(look(&host), without, "{options:?}");
        assert!(without.contains("/dev/"), "{without}");
    }
}

/// What a container sees of its network's devices.
const DEVICES: &str = "grep ' - sysfs ' /proc/self/mountinfo | cut -d' ' -f4-; ls /sys/class/net; \
    cat /sys/class/net/eth0/carrier; \
    echo 1300 >/sys/class/net/eth0/mtu; cat /sys/class/net/eth0/mtu; \
    cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start ping_group_range";

#[test]
fn the_devices_of_a_network_made_ahead_are_the_containers() {
    let host = TestHost::start();
    host.cli(&["network", "create", "own"]).success();
    let ping = ["--sysctl", "net.ipv4.ping_group_range=0 7"];
    for options in [&[][..], &["--privileged"], &["--read-only"], &ping] {
        let look = || {
            let args = ["run", "--rm", "--network", "own"];
            let args = [&args, options, &["busybox", "sh", "-c", DEVICES]].concat();
            host.cli(&args).text()
        };
        // The very first makes its namespace itself, and the others get one made ahead.
        let first = look();
        assert!(first.contains("eth0\nlo\n1\n"), "{first}");
        assert_eq!(first.contains("1300"), options == ["--privileged"]);
        let groups = if options == ping {
            "0\n0\t7\n"
        } else {
            "0\n0\t2147483647\n"
        };
        assert!(first.ends_with(groups), "{first}");
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert_eq!(look(), first, "{options:?}");
        }
    }
}

/// Ids are different each time.
fn normalized(text: &str) -> String {
    let word = |word: &str| match word.len() >= 64 && word.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => "ID".to_owned(),
        false => word.to_owned(),
    };
    let separators = |c: char| !c.is_ascii_alphanumeric();
    let parts = text.split_inclusive(separators).map(|part| {
        let end = part.trim_end_matches(separators);
        word(end) + &part[end.len()..]
    });
    parts.collect()
}

#[test]
fn the_root_over_the_last_layers_is_mounted_ahead_and_goes_with_them() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    await_spare(&host);
    host.until("a root is mounted ahead", |host| {
        spare(host).is_some_and(holds_overlay)
    });
    host.cli(&["rmi", "busybox"]).success();
    host.until("nobody holds its layers", |host| {
        spare(host).is_some_and(|shim| !holds_overlay(shim))
    });
}

#[test]
fn the_next_container_is_the_init_that_has_begun() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let networks: [&[&str]; 2] = [&["--network", "none"], &["--publish", "127.0.0.1:0:80"]];
    for network in networks {
        let begun = await_begun(&host);
        let id = host.run_detached(&[&["--rm"], network, &["busybox", "sleep", "600"]].concat());
        let pid = host.cli(&["inspect", "--format", "{{.State.Pid}}", &id]);
        assert_eq!(pid.success().text().trim(), begun.to_string());
        let mounts = std::fs::read_to_string(format!("/proc/{begun}/mountinfo")).unwrap();
        assert!(!mounts.contains("/containers/shims"), "{mounts}");
    }
}

#[test]
fn an_init_that_has_begun_makes_way_for_a_container_that_it_does_not_fit() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let options: [&[&str]; 6] = [
        &["--privileged"],
        &["--security-opt", "systempaths=unconfined"],
        &["--oom-score-adj", "500"],
        &["--ipc", "none"],
        &["--volume", "/tmp:/dev/shm/x"],
        &["--pid", "host"],
    ];
    for options in options {
        let begun = await_begun(&host);
        let run = ["--rm", "--network", "none", "busybox", "sleep", "600"];
        let id = host.run_detached(&[options, &run].concat());
        let pid = host.cli(&["inspect", "--format", "{{.State.Pid}}", &id]);
        assert_ne!(pid.success().text().trim(), begun.to_string());
        assert!(!std::path::Path::new(&format!("/proc/{begun}")).exists());
        host.cli(&["rm", "-f", &id]).success();
    }
}

#[test]
fn an_init_that_was_killed_or_lost_its_shim_is_not_missed() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let args = ["run", "--rm", "--network", "none", "busybox", "echo", "x"];
    let begun = await_begun(&host);
    kill(begun);
    assert_eq!(host.cli(&args).success().text(), "x\n");
    let begun = await_begun(&host);
    kill(spare(&host).unwrap());
    await_end(&host, begun);
    assert_eq!(host.cli(&args).success().text(), "x\n");
}

#[test]
fn nothing_begins_in_a_root_that_has_no_places_for_it() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let make = "mkdir -p /tree/bin && cp /bin/busybox /tree/bin/sh && tar -cC /tree .";
    let name = [
        "run",
        "--rm",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        make,
    ];
    let tree = host.paths().root.join("bare.tar");
    std::fs::write(&tree, host.cli(&name).success().stdout).unwrap();
    host.cli(&["import", tree.to_str().unwrap(), "bare"])
        .success();
    std::fs::remove_file(tree).unwrap();
    let look = "read -r line < /proc/self/mounts && echo seen";
    for _ in 0..2 {
        let run = ["run", "--rm", "--network", "none", "bare", "sh", "-c", look];
        assert_eq!(host.cli(&run).success().text(), "seen\n");
    }
    host.until("a root is mounted ahead", |host| {
        spare(host).is_some_and(holds_overlay)
    });
    let create = ["create", "--rm", "--network", "none", "bare"];
    let made = host.cli(&[&create[..], &["sh", "-c", look]].concat());
    let id = made.success().text().trim().to_owned();
    assert_eq!(host.cli(&["diff", &id]).success().text(), "");
    assert_eq!(host.cli(&["start", "-a", &id]).success().text(), "seen\n");
}

/// The init that has begun, as a child of the shim that waits.
fn begun(host: &TestHost) -> Option<u32> {
    let shim = spare(host)?;
    let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Waits until it has done its first part and sleeps.
fn await_begun(host: &TestHost) -> u32 {
    await_spare(host);
    let found = std::cell::Cell::new(None);
    host.until("an init has begun", |host| {
        found.set(begun(host));
        let waits = |pid| {
            let call = std::fs::read_to_string(format!("/proc/{pid}/syscall"));
            // In futex(2), by its number on x86-64.
            call.is_ok_and(|call| call.starts_with("202 "))
        };
        found.get().is_some_and(waits)
    });
    found.get().unwrap()
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn await_end(host: &TestHost, pid: u32) {
    host.until("it has ended", |_| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}

/// Whether a process has a descriptor of an overlay.
fn holds_overlay(pid: u32) -> bool {
    const OVERLAY: i64 = 0x794c_7630;
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let mut paths = descriptors.flatten().map(|entry| entry.path());
    paths.any(|path| rustix::fs::statfs(path).is_ok_and(|found| found.f_type == OVERLAY))
}

#[test]
fn a_root_mounted_ahead_is_not_another_containers() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let changed = ["run", "--name", "changed", "--network", "none", "busybox"];
    let changed = changed.into_iter().chain(["touch", "/changed"]);
    host.cli(&changed.collect::<Vec<_>>()).success();
    host.cli(&["commit", "changed", "other"]).success();
    let show = ["sh", "-c", "ls -d /changed /copied; true"];
    let run = |image| {
        let args = ["run", "--rm", "--network", "none", image];
        host.cli(&[&args[..], &show].concat()).success().text()
    };
    await_spare(&host);
    assert_eq!(run("other"), "/changed\n");
    // What is copied into one that was not started is below the overlay that it would have had.
    await_spare(&host);
    host.until("a root is mounted ahead", |host| {
        spare(host).is_some_and(holds_overlay)
    });
    let create = ["create", "--rm", "--name", "filled", "--network", "none"];
    host.cli(&[&create[..], &["busybox"], &show].concat())
        .success();
    let file = host.paths().root.join("copied");
    std::fs::write(&file, "").unwrap();
    host.cli(&["cp", file.to_str().unwrap(), "filled:/copied"])
        .success();
    std::fs::remove_file(file).unwrap();
    let started = host.cli(&["start", "-a", "filled"]).success().text();
    assert_eq!(started, "/copied\n");
}

#[test]
fn a_container_that_is_not_started_gives_its_sandbox_back() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let waiting = await_spare(&host);
    let made = host.cli(&["create", "--network", "none", "busybox", "echo", "x"]);
    let id = made.success().text().trim().to_owned();
    assert!(host.paths().shims().join(&id).exists());
    host.cli(&["rm", &id]).success();
    host.until("its sandbox has gone", |host| {
        !host.paths().shims().join(&id).exists()
    });
    host.until("its shim has ended", |_| {
        !std::path::Path::new(&format!("/proc/{waiting}/exe")).exists()
    });
    // One that is started late has another.
    await_spare(&host);
    let made = host.cli(&["create", "--network", "none", "busybox", "echo", "x"]);
    let id = made.success().text().trim().to_owned();
    let shim = host.paths().shims().join(&id);
    host.until("the sandbox has been given back", |_| !shim.exists());
    assert_eq!(host.cli(&["start", "-a", &id]).success().text(), "x\n");
    host.cli(&["rm", &id]).success();
}

#[test]
fn a_shim_that_died_while_it_waited_is_not_missed() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    end_spare(&host);
    let args = ["run", "--rm", "--network", "none", "busybox", "echo", "x"];
    assert_eq!(host.cli(&args).success().text(), "x\n");
}

#[test]
fn it_ends_with_its_daemon() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let mut host = TestHost::start();
    let waiting = await_spare(&host);
    host.kill_daemon();
    host.until("it has ended", |_| {
        !std::path::Path::new(&format!("/proc/{waiting}")).exists()
    });
    host.start_daemon();
}

/// The shim that waits for its container.
fn spare(host: &TestHost) -> Option<u32> {
    let shims = std::fs::read_dir(host.paths().shims()).unwrap().flatten();
    shims.map(|entry| entry.path()).find_map(|folder| {
        let bundle = folder.join(folder.file_name()?);
        let text = std::fs::read(folder.join("shim.json")).ok()?;
        let shim: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let waits = bundle.join("prepared.json").exists();
        waits
            .then(|| shim["process"]["pid"].as_u64())??
            .try_into()
            .ok()
    })
}

/// Waits for the spare shim; the first container's end makes the daemon prepare one.
pub(crate) fn await_spare(host: &TestHost) -> u32 {
    let args = ["run", "--rm", "--network", "none", "busybox", "true"];
    host.cli(&args).success();
    let found = std::cell::Cell::new(None);
    host.until("a shim is started ahead", |host| {
        found.set(spare(host));
        found.get().is_some()
    });
    found.get().unwrap()
}

/// Ends the spare shim, so that the next one is started when it is needed.
pub(crate) fn end_spare(host: &TestHost) {
    let spare = await_spare(host);
    let begun = begun(host);
    kill(spare);
    await_end(host, spare);
    // It has the shim's descriptors, the daemon's connection among them.
    if let Some(begun) = begun {
        await_end(host, begun);
    }
}
