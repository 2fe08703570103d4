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
        await_spare(&host);
        assert_eq!(look(&host), without, "{options:?}");
        assert!(without.contains("/dev/"), "{without}");
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
fn a_container_begins_in_the_mount_namespace_that_was_made_ahead() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    await_spare(&host);
    // The daemon has the one of which it is a copy.
    let original = mount_namespaces_held_by(host.daemon_pid().unwrap());
    assert_eq!(original.len(), 1);
    let ahead = |host: &TestHost| {
        let mut held = mount_namespaces_held_by(spare(host)?);
        held.retain(|namespace| !original.contains(namespace));
        held.pop()
    };
    host.until("a root is mounted ahead", |host| ahead(host).is_some());
    let ahead = ahead(&host).unwrap();
    let run = ["--network", "none", "busybox", "sleep", "600"];
    let id = host.run_detached(&run);
    let pid = host.cli(&["inspect", "--format", "{{.State.Pid}}", &id]);
    let own = format!("/proc/{}/ns/mnt", pid.success().text().trim());
    assert_eq!(std::fs::read_link(own).unwrap(), ahead);
}

/// The mount namespaces of which a process has descriptors.
fn mount_namespaces_held_by(pid: u32) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let is = |link: &std::path::PathBuf| link.to_string_lossy().starts_with("mnt:[");
    links.filter(is).collect()
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
    let create = ["create", "--name", "filled", "--network", "none", "busybox"];
    host.cli(&[&create[..], &show].concat()).success();
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
    let pid = rustix::process::Pid::from_raw(spare.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    host.until("it has ended", |_| {
        let stat = std::fs::read_to_string(format!("/proc/{spare}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}
