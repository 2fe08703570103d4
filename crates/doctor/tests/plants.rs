//! Plants one leak of each kind in namespaces of its own, and has doctor name each.

use doctor::{Records, What};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use types::Paths;

const SANDBOX: &str = "0123456789abcdef";

fn sh(script: &str, arguments: &[&Path]) {
    let status = Command::new("sh")
        .args(["-ec", script, "sh"])
        .args(arguments)
        .status()
        .expect("sh starts");
    assert!(status.success(), "{script}");
}

/// Runs the test `name` again in a mount and network namespace of its own.
fn isolated(name: &str) -> bool {
    if std::env::var_os("CORTEN_TEST_ISOLATED").is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private"])
        .arg(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", name, "--nocapture"])
        .env("CORTEN_TEST_ISOLATED", "1")
        .status()
        .expect("unshare starts");
    assert!(status.success());
    false
}

/// A child that ends with its test, and a cgroup that goes with it.
struct Planted {
    child: Child,
    group: PathBuf,
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir(&self.group).ok();
        self.group.parent().map(fs::remove_dir);
    }
}

/// A process in a group of this instance, posing as a shim of this run directory.
fn plant_process(paths: &Paths) -> Planted {
    let group = Path::new("/sys/fs/cgroup/pids")
        .join(paths.instance())
        .join(SANDBOX);
    fs::create_dir_all(&group).expect("the pids hierarchy is mounted");
    let script = format!(
        "echo 0 >{}/tasks; exec -a /usr/bin/corten-shim sh -c 'read line' {}",
        group.display(),
        paths.run.display()
    );
    let child = Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let planted = Planted { child, group };
    let line = format!("/proc/{}/cmdline", planted.child.id());
    // The script itself has the name too: it is in its place once it has become that program.
    while !fs::read_to_string(&line).is_ok_and(|text| text.starts_with("/usr/bin/corten-shim")) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    planted
}

fn plant_all(paths: &Paths) -> Planted {
    let shim = paths.shims().join(SANDBOX);
    let container = paths.containers().join(SANDBOX);
    fs::create_dir_all(&shim).expect("a run directory");
    fs::create_dir_all(container.join("upper")).expect("a container's directory");
    fs::write(container.join(format!("{SANDBOX}-json.log")), "").expect("a log");
    fs::write(shim.join("net"), "").expect("a pin");
    sh(
        "mount -t tmpfs none \"$1\"; mount --bind /proc/self/ns/net \"$2\"",
        &[&container.join("upper"), &shim.join("net")],
    );
    let instance = paths.instance();
    sh(
        &format!(
            "ip link add planted0 type veth peer name planted1; ip link set planted0 alias {instance}:{SANDBOX}"
        ),
        &[],
    );
    sh(&format!("nft add table inet {instance}"), &[]);
    plant_process(paths)
}

#[test]
fn one_leak_of_each_kind_is_named() {
    if !isolated("one_leak_of_each_kind_is_named") {
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let paths = Paths::under(&home.path().join("root"), &home.path().join("run"));
    let none = Records::Containers(BTreeSet::new());
    assert_eq!(
        doctor::examine(&paths, &none).leaks,
        [],
        "a host without corten is clean"
    );

    let planted = plant_all(&paths);
    let findings = doctor::examine(&paths, &none);
    let kinds: BTreeSet<_> = findings.leaks.iter().map(|leak| leak.what).collect();
    let all = [
        What::Mount,
        What::Namespace,
        What::Link,
        What::Cgroup,
        What::Rule,
        What::Process,
        What::File,
        What::Log,
    ];
    assert_eq!(kinds, BTreeSet::from(all), "{findings:#?}");
    assert_eq!(findings.unread, [""; 0]);
    let pid = planted.child.id().to_string();
    assert_eq!(
        findings
            .leaks
            .iter()
            .filter(|leak| leak.name == pid)
            .count(),
        2,
        "as a shim and as a member"
    );

    sh(
        "umount \"$1\" \"$2\"",
        &[
            &paths.containers().join(SANDBOX).join("upper"),
            &paths.shims().join(SANDBOX).join("net"),
        ],
    );
    sh(
        &format!(
            "ip link del planted0; nft delete table inet {}",
            paths.instance()
        ),
        &[],
    );
    drop(planted);
    fs::remove_dir_all(paths.shims().join(SANDBOX)).expect("the run directory goes");
    fs::remove_dir_all(paths.containers().join(SANDBOX)).expect("the container's directory goes");
    assert_eq!(doctor::examine(&paths, &none).leaks, []);
}

#[test]
fn what_only_the_records_tell_is_passed_over_without_them() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let paths = Paths::under(&home.path().join("root"), &home.path().join("run"));
    fs::create_dir_all(paths.containers().join(SANDBOX)).expect("a container's directory");
    assert_eq!(doctor::examine(&paths, &Records::Unknown).leaks, []);
    assert_eq!(
        doctor::examine(&paths, &Records::Containers(BTreeSet::new()))
            .leaks
            .len(),
        1
    );
}
