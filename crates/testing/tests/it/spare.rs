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

/// The shim that waits for its sandbox: it is still where the daemon is.
fn spare(host: &TestHost) -> Option<u32> {
    let shims = host.paths().shims();
    let line = format!("corten-shim\0spare\0--directory\0{}\0", shims.display());
    let place = |pid: u32| std::fs::read_link(format!("/proc/{pid}/cwd")).ok();
    let daemon = place(host.daemon_pid()?);
    let mut entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let same = std::fs::read(entry.path().join("cmdline")).ok()? == line.as_bytes();
        (same && place(pid) == daemon).then_some(pid)
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
