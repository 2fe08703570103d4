//! What a group may do to devices.

use crate::fixture::{create, name, possible, spawn, wait_for};
use oci::runtime::{DeviceRule, DeviceRuleKind, Resources};
use std::path::Path;
use std::process::Command;

#[test]
fn a_group_may_use_every_device() {
    if !possible() {
        return;
    }
    let all = DeviceRule {
        allow: true,
        kind: None,
        major: None,
        minor: None,
        access: "rwm".to_owned(),
    };
    let resources = Resources {
        devices: vec![all],
        ..Resources::default()
    };
    create(&name(), Some(&resources)).delete().unwrap();
}

#[test]
fn devices_outside_of_the_rules_cannot_be_opened() {
    if !possible() {
        return;
    }
    let cgroup = create(&name(), Some(&Resources::default()));
    let mut allowed = spawn(&cgroup, "sh", &["-c", "sleep 0.05; exec cat /dev/null"]);
    let mut denied = spawn(
        &cgroup,
        "sh",
        &["-c", "sleep 0.05; exec cat /dev/kmsg 2>/dev/null"],
    );
    assert!(allowed.wait().unwrap().success());
    assert!(!denied.wait().unwrap().success());
    wait_for(|| cgroup.pids().unwrap().is_empty());
    cgroup.delete().unwrap();
}

/// Whether it allows, the kind, major and minor, and the accesses.
type Rule = (bool, Option<char>, Option<(i64, i64)>, &'static str);

/// Letters of `rwm` that a group with these rules may do to a device, in the order they are tried.
fn permitted(rules: &[Rule], device: &str) -> String {
    let rule = |&(allow, kind, numbers, access): &Rule| DeviceRule {
        allow,
        kind: kind.map(|kind| match kind {
            'b' => DeviceRuleKind::Block,
            _ => DeviceRuleKind::Character,
        }),
        major: numbers.map(|(major, _)| major),
        minor: numbers.map(|(_, minor)| minor),
        access: access.to_owned(),
    };
    let resources = Resources {
        devices: rules.iter().map(rule).collect(),
        ..Resources::default()
    };
    let cgroup = create(&name(), Some(&resources));
    let folder = tempfile::TempDir::new().unwrap();
    let said = folder.path().join("said");
    let node = folder.path().join("node");
    let made = folder.path().join("made");
    let seen = folder.path().join("seen");
    let mknod = |path: &Path| format!("mknod {} {device}", path.display());
    let status = Command::new("sh").args(["-c", &mknod(&node)]).status();
    assert!(status.unwrap().success());
    // What is opened is not used: a device without a driver is permitted and then missing.
    let script = format!(
        "try() {{ case $(LC_ALL=C sh -c \"$2\" 2>&1) in *'not permitted'*) ;; *) printf $1 >> {said};; esac; }}
        : > {said}; try r ': < {node}'; try w ': >> {node}'; try m '{made}'
        until [ -e {seen} ]; do sleep 0.01; done",
        seen = seen.display(),
        said = said.display(),
        node = node.display(),
        made = mknod(&made),
    );
    // It stays until it was seen in the group.
    let mut child = spawn(&cgroup, "sh", &["-c", &script]);
    std::fs::write(seen, "").unwrap();
    child.wait().unwrap();
    wait_for(|| cgroup.pids().unwrap().is_empty());
    cgroup.delete().unwrap();
    std::fs::read_to_string(said).unwrap()
}

#[test]
fn rules_are_for_a_kind_numbers_and_accesses() {
    if !possible() {
        return;
    }
    let few = [
        (true, Some('c'), Some((10, 229)), "r"),
        (true, Some('b'), Some((7, 77)), "rw"),
        (true, Some('c'), Some((240, -1)), "w"),
    ];
    let all = [
        (true, None, None, "rwm"),
        (false, Some('c'), Some((10, 229)), "w"),
        (false, Some('b'), Some((7, -1)), "rm"),
    ];
    // Any node may be made (the rules of every container), where not all is allowed.
    let expected = [
        ("c 10 229", "rm", "rm"),
        ("c 10 230", "m", "rwm"),
        ("c 11 229", "m", "rwm"),
        ("b 10 229", "m", "rwm"),
        ("b 7 77", "rwm", "w"),
        ("b 7 78", "m", "w"),
        ("c 7 77", "m", "rwm"),
        ("c 240 3", "wm", "rwm"),
        ("c 1 3", "rwm", "rwm"),
        ("c 136 5", "rwm", "rwm"),
    ];
    for (device, of_few, of_all) in expected {
        assert_eq!(permitted(&few, device), of_few, "{device}");
        assert_eq!(permitted(&all, device), of_all, "{device}");
    }
}
