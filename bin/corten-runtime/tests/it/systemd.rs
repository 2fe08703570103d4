//! Groups that systemd makes. `cargo xtask vm` has a systemd to ask.

use crate::bundle::{Bundle, Said};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where version 2 is mounted where systemd is all there is.
const GROUPS: &str = "/sys/fs/cgroup";

/// A container in a slice of the test's own.
struct Scope {
    bundle: Bundle,
    slice: String,
}

impl Scope {
    fn new(args: &[&str]) -> Self {
        let bundle = Bundle::new(args).unwrap();
        let slice = format!("{}.slice", bundle.id.replace('-', "_"));
        let path = format!("{slice}:test:{}", bundle.id);
        bundle.change(|spec| spec["linux"]["cgroupsPath"] = json!(path));
        Self { bundle, slice }
    }

    fn unit(&self) -> String {
        format!("test-{}.scope", self.bundle.id)
    }

    fn group(&self) -> PathBuf {
        Path::new(GROUPS).join(&self.slice).join(self.unit())
    }

    fn read(&self, file: &str) -> String {
        let path = self.group().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| format!("{error}"));
        text.trim().to_owned()
    }

    fn limit(&self, resources: Value) {
        self.bundle
            .change(|spec| spec["linux"]["resources"] = resources);
    }

    fn run(&self) -> Said {
        let path = self.bundle.path();
        let path = path.to_str().unwrap();
        self.bundle
            .run(&["--systemd-cgroup", "run", "-d", "-b", path, &self.bundle.id])
    }

    fn start(&self) {
        let said = self.run();
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// A property as systemd has it.
    fn property(&self, name: &str) -> String {
        systemctl(&["show", "--property", name, "--value", &self.unit()])
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        drop(self.bundle.run(&["delete", "-f", &self.bundle.id]));
        assert!(!self.group().exists());
        systemctl(&["stop", &self.slice]);
    }
}

fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn a_group_of_somebody_elses_is_refused_and_stays() {
    let scope = Scope::new(&["sleep", "100"]);
    fs::create_dir_all(scope.group()).unwrap();
    fs::write(scope.group().join("cgroup.freeze"), "1").unwrap();
    let said = scope.run();
    let words = "container's cgroup unexpectedly frozen";
    assert!(said.err.contains(words), "{said:?}");
    assert_eq!(scope.read("cgroup.procs"), "");
    fs::remove_dir(scope.group()).unwrap();
    scope.start();
    let init = scope.read("cgroup.procs");
    let other = Bundle::new(&["true"]).unwrap();
    other.change(|spec| {
        let path = format!("{}:test:{}", scope.slice, scope.bundle.id);
        spec["linux"]["cgroupsPath"] = json!(path);
    });
    let path = other.path();
    let said = other.fails(&[
        "--systemd-cgroup",
        "run",
        "-b",
        path.to_str().unwrap(),
        &other.id,
    ]);
    assert!(said.contains("container's cgroup is not empty"), "{said}");
    assert_eq!(scope.read("cgroup.procs"), init);
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn systemd_makes_the_group_keeps_its_limits_and_drops_it() {
    let scope = Scope::new(&["sleep", "100"]);
    let id = scope.bundle.id.clone();
    scope.limit(json!({
        "memory": {"limit": 50_000_000, "swap": 60_000_000},
        "cpu": {"shares": 2048, "quota": 50_000, "period": 100_000},
        "pids": {"limit": 20},
        "unified": {"memory.high": "40000000"},
    }));
    scope.start();
    let init = scope.read("cgroup.procs");
    let state: Value = serde_json::from_str(&scope.bundle.ok(&["state", &id])).unwrap();
    assert_eq!(init, state["pid"].to_string(), "the holder is gone");
    for (property, value) in [
        ("MemoryMax", "50000000"),
        ("MemorySwapMax", "10000000"),
        ("MemoryHigh", "40000000"),
        ("TasksMax", "20"),
        ("CPUQuotaPerSecUSec", "500ms"),
        ("Delegate", "yes"),
        ("Slice", &scope.slice),
    ] {
        assert_eq!(scope.property(property), value, "{property}");
    }
    let limits = |scope: &Scope| {
        let files = [
            "memory.max",
            "memory.swap.max",
            "memory.high",
            "pids.max",
            "cpu.max",
        ];
        files.map(|file| scope.read(file))
    };
    let page = |bytes: u64| (bytes / 4096 * 4096).to_string();
    let expected = [
        page(50_000_000),
        page(10_000_000),
        page(40_000_000),
        "20".to_owned(),
        "50000 100000".to_owned(),
    ];
    assert_eq!(limits(&scope), expected);
    systemctl(&["daemon-reload"]);
    assert_eq!(limits(&scope), expected, "after a reload");

    let update = [
        "update",
        "--memory",
        "70000000",
        "--memory-swap",
        "90000000",
        "--pids-limit",
        "9",
        &id,
    ];
    scope.bundle.ok(&update);
    assert_eq!(scope.property("MemoryMax"), "70000000");
    assert_eq!(scope.property("TasksMax"), "9");
    systemctl(&["daemon-reload"]);
    assert_eq!(scope.read("memory.max"), page(70_000_000));
    assert_eq!(scope.read("pids.max"), "9");

    scope.bundle.ok(&["exec", &id, "true"]);
    scope.bundle.ok(&["pause", &id]);
    assert_eq!(scope.bundle.status(), "paused");
    scope.bundle.ok(&["resume", &id]);
    scope.bundle.ok(&["delete", "-f", &id]);
    assert!(!scope.group().exists());
    assert_eq!(scope.property("LoadState"), "not-found");
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn an_update_tells_systemd_of_what_stays_too() {
    let scope = Scope::new(&["sleep", "100"]);
    let id = scope.bundle.id.clone();
    scope.limit(json!({"cpu": {"quota": 500_000, "period": 1_000_000}}));
    scope.start();
    let update = |flags: &[&str]| scope.bundle.run(&[&["update"], flags, &[&*id]].concat());
    assert_eq!(update(&["--cpu-period", "900000"]).code, Some(0));
    assert_eq!(scope.property("CPUQuotaPerSecUSec"), "560ms");
    assert_eq!(scope.read("cpu.max"), "504000 900000");
    // What systemd cannot express is the next that it can, in the group's file too.
    assert_eq!(update(&["--cpu-quota", "600000"]).code, Some(0));
    assert_eq!(scope.property("CPUQuotaPerSecUSec"), "670ms");
    assert_eq!(scope.read("cpu.max"), "603000 900000");
    let said = update(&["--cpu-share", "200", "--cpu-idle", "1"]);
    assert!(
        said.err.contains("unable to apply both CPUWeight"),
        "{said:?}"
    );
    assert_eq!(scope.read("cpu.idle"), "1");
    assert_eq!(update(&["--cpu-share", "200"]).code, Some(0));
    assert_eq!(scope.read("cpu.idle"), "0");
    let files = scope.bundle.path().join("resources.json");
    fs::write(
        &files,
        r#"{"unified": {"cpu.idle": "1", "cpu.weight": "8"}}"#,
    )
    .unwrap();
    let said = update(&["-r", files.to_str().unwrap()]);
    assert!(
        said.err.contains("unable to apply both cpu.weight"),
        "{said:?}"
    );
    assert_eq!((said.code, &*scope.read("cpu.idle")), (Some(0), "1"));
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn a_scope_for_one_task_has_room_for_it() {
    let scope = Scope::new(&["sleep", "100"]);
    scope.limit(json!({"pids": {"limit": 1}}));
    scope.start();
    assert_eq!(scope.read("pids.max"), "1");
    assert_eq!(scope.read("pids.current"), "1");
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn annotations_set_properties_of_the_scope() {
    let scope = Scope::new(&["sleep", "100"]);
    scope.bundle.change(|spec| {
        spec["annotations"] = json!({
            "org.systemd.property.Description": "'of a test'",
            "org.systemd.property.TimeoutStopSec": "7",
            "org.systemd.property.CollectMode": "'inactive-or-failed'",
            "org.systemd.unknown": "nobody's",
        });
    });
    scope.start();
    assert_eq!(scope.property("Description"), "of a test");
    assert_eq!(scope.property("TimeoutStopUSec"), "7s");
    assert_eq!(scope.property("CollectMode"), "inactive-or-failed");
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn what_systemd_refuses_leaves_nothing() {
    for (name, value, expected) in [
        ("NoSuchProperty", "true", "NoSuchProperty"),
        (
            "TimeoutStopSec",
            "'x'",
            "annotation org.systemd.property.TimeoutStopSec='x' value parse error",
        ),
    ] {
        let scope = Scope::new(&["sleep", "100"]);
        let key = format!("org.systemd.property.{name}");
        scope
            .bundle
            .change(|spec| spec["annotations"] = json!({key: value}));
        let said = scope.run();
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(expected), "{said:?}");
        assert!(!scope.group().exists());
        assert!(!scope.bundle.state().join(&scope.bundle.id).exists());
    }
    let scope = Scope::new(&["sleep", "100"]);
    scope
        .bundle
        .change(|spec| spec["linux"]["cgroupsPath"] = json!("/not/of/systemd"));
    let said = scope.run();
    let expected =
        "expected cgroupsPath to be of format \\\"slice:prefix:name\\\" for systemd cgroups";
    assert!(said.err.contains(expected), "{said:?}");
}

#[test]
#[ignore = "needs systemd: cargo xtask vm"]
fn a_scope_whose_processes_ended_is_deleted() {
    let scope = Scope::new(&["true"]);
    scope.start();
    scope.bundle.wait_for("stopped");
    scope.bundle.ok(&["delete", &scope.bundle.id]);
    assert!(!scope.group().exists());
}

#[test]
fn without_systemd_its_driver_is_refused() {
    if Path::new("/run/systemd/system").exists() {
        return;
    }
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let path = bundle.path();
    let said = bundle.run(&[
        "--systemd-cgroup",
        "run",
        "-b",
        path.to_str().unwrap(),
        &bundle.id,
    ]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = "systemd not running on this host, cannot use systemd cgroups manager";
    assert!(said.err.contains(expected), "{said:?}");
}
