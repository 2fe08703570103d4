//! Namespaces: new, joined, shared; users, times and control groups.

use crate::fixture::{Bundle, Wrong, docker_like};
use oci::runtime::{IdMapping, NamespaceKind, TimeOffset};
use std::fs;

fn own(pid: &str, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}"))
        .unwrap()
        .display()
        .to_string()
}

const ALL: [(&str, NamespaceKind); 8] = [
    ("user", NamespaceKind::User),
    ("cgroup", NamespaceKind::Cgroup),
    ("ipc", NamespaceKind::Ipc),
    ("uts", NamespaceKind::Uts),
    ("net", NamespaceKind::Network),
    ("pid", NamespaceKind::Pid),
    ("time", NamespaceKind::Time),
    ("mnt", NamespaceKind::Mount),
];

pub(crate) fn mapped(bundle: &mut Bundle) {
    let map = IdMapping {
        container_id: 0,
        host_id: 100_000,
        size: 65536,
    };
    bundle.linux().uid_mappings = vec![map];
    bundle.linux().gid_mappings = vec![map];
    bundle.namespace(NamespaceKind::User, "");
    std::os::unix::fs::chown(bundle.root(), Some(100_000), Some(100_000)).unwrap();
    for dir in ["dev", "proc", "sys", "tmp", "etc"] {
        let path = bundle.root().join(dir);
        std::os::unix::fs::chown(path, Some(100_000), Some(100_000)).unwrap();
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bundle.dir.path(), mode).unwrap();
}

#[test]
fn all_eight_namespaces_are_new() {
    let mut bundle = Bundle::new();
    mapped(&mut bundle);
    bundle.namespace(NamespaceKind::Time, "");
    let running = bundle.running();
    let pid = running.init.pid().to_string();
    for (name, _) in ALL {
        assert_ne!(own("self", name), own(&pid, name), "{name}");
    }
}

#[test]
fn namespaces_are_joined_by_path() {
    let mut first = Bundle::new();
    first.namespace(NamespaceKind::Time, "");
    let running = first.running();
    let pid = running.init.pid().to_string();
    let mut second = Bundle::new();
    for (name, kind) in ALL {
        if !["user", "mnt"].contains(&name) {
            second.namespace(kind, &format!("/proc/{pid}/ns/{name}"));
        }
    }
    second.spec.hostname = String::new();
    let output = second.script(
        "for n in cgroup ipc uts net pid time; do readlink /proc/self/ns/$n; done; hostname; ps",
    );
    for (name, _) in ALL {
        let same = output.contains(&own(&pid, name));
        assert_eq!(same, !["user", "mnt"].contains(&name), "{name}: {output}");
    }
    assert!(output.contains("box\n"), "{output}");
    assert!(output.contains("sleep 1000"), "{output}");
}

#[test]
fn a_user_namespace_is_joined_before_the_others_are_made() {
    let mut first = Bundle::new();
    mapped(&mut first);
    let running = first.running();
    let path = format!("/proc/{}/ns/user", running.init.pid());
    let mut second = Bundle::new();
    mapped(&mut second);
    second.linux().uid_mappings.clear();
    second.linux().gid_mappings.clear();
    second.namespace(NamespaceKind::User, &path);
    second.namespace(NamespaceKind::Time, "");
    let output = second.script("readlink /proc/self/ns/user; id -u; hostname; echo $$");
    assert!(output.contains(&own(&running.init.pid().to_string(), "user")));
    assert!(output.ends_with("0\nbox\n1\n"), "{output}");
}

#[test]
fn a_time_namespace_is_the_containers_and_is_joined_with_its_user_namespace() {
    let mut first = Bundle::new();
    mapped(&mut first);
    first.namespace(NamespaceKind::Time, "");
    let offset = TimeOffset {
        secs: 7881,
        nanosecs: 0,
    };
    let offsets = &mut first.linux().time_offsets;
    offsets.insert("monotonic".to_owned(), offset);
    let running = first.running();
    let pid = running.init.pid().to_string();
    let mut second = Bundle::new();
    mapped(&mut second);
    for (name, kind) in ALL.iter().filter(|(name, _)| *name != "mnt") {
        second.namespace(*kind, &format!("/proc/{pid}/ns/{name}"));
    }
    second.spec.hostname = String::new();
    second.linux().uid_mappings.clear();
    second.linux().gid_mappings.clear();
    let output = second.script("readlink /proc/self/ns/time; cat /proc/self/timens_offsets");
    assert!(output.starts_with(&own(&pid, "time")), "{output}");
    assert!(output.contains("7881"), "{output}");
}

#[test]
fn a_network_namespace_that_the_user_namespace_does_not_own_is_joined_before_it() {
    for new in [true, false] {
        let mut first = Bundle::new();
        mapped(&mut first);
        let running = first.running();
        let pid = running.init.pid().to_string();
        let mut second = Bundle::new();
        mapped(&mut second);
        if !new {
            second.namespace(NamespaceKind::User, &format!("/proc/{pid}/ns/user"));
        }
        second.namespace(NamespaceKind::Network, "/proc/self/ns/net");
        // Who has no rights on the network may not mount its sysfs.
        second.spec.mounts.retain(|mount| mount.kind != "sysfs");
        let output = second.script("readlink /proc/self/ns/net");
        assert_eq!(output, format!("{}\n", own("self", "net")), "new: {new}");
    }
}

#[test]
fn a_user_namespace_maps_ids_and_has_the_hosts_devices() {
    let mut bundle = Bundle::new();
    mapped(&mut bundle);
    bundle.process().rlimits = vec![oci::runtime::Rlimit {
        kind: oci::runtime::RlimitKind::Nofile,
        hard: 512,
        soft: 256,
    }];
    bundle.process().oom_score_adj = Some(123);
    let output = bundle.script(
        "cat /proc/self/uid_map; touch /tmp/made; echo x > /dev/null; cat /proc/self/oom_score_adj; ulimit -n; head -c 1 /dev/zero | wc -c || true",
    );
    assert!(output.contains("100000      65536"), "{output}");
    assert!(output.contains("123\n256\n"), "{output}");
    let made = fs::metadata(bundle.root().join("tmp/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 100_000);
}

#[test]
fn a_time_namespace_has_its_offsets() {
    let mut bundle = Bundle::new();
    bundle.namespace(NamespaceKind::Time, "");
    let offset = TimeOffset {
        secs: 1_000_000_000,
        nanosecs: 0,
    };
    let offsets = &mut bundle.linux().time_offsets;
    offsets.insert("boottime".to_owned(), offset);
    offsets.insert("monotonic".to_owned(), offset);
    let output = bundle.script("cat /proc/uptime");
    let uptime: f64 = output.split('.').next().unwrap().parse().unwrap();
    assert!(uptime > 1e9, "{output}");
    // Ours is still what it was.
    assert!(fs::read_to_string("/proc/uptime").unwrap().len() < 30);
    assert_eq!(own("self", "time"), own("self", "time_for_children"));
}

#[test]
fn a_cgroup_namespace_has_its_root_at_the_containers_group() {
    let mut bundle = Bundle::new();
    bundle.spec.mounts.push(crate::fixture::mount(
        "/sys/fs/cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "ro", "relatime"],
    ));
    let cgroup = cgroup::Cgroup::create(&cgroup::Request {
        id: bundle.id.as_str(),
        path: None,
        resources: None,
        intel_rdt: None,
        reach: cgroup::Reach::Every,
        driver: cgroup::Driver::Cgroupfs,
        properties: &[],
    })
    .unwrap();
    bundle.args(&[
        "sh",
        "-c",
        "cat /proc/self/cgroup; ls /sys/fs/cgroup /sys/fs/cgroup/*; mkdir /sys/fs/cgroup/x",
    ]);
    let streams = crate::fixture::Streams::new();
    let request = container::Create {
        cgroup: Some(&cgroup),
        ..bundle.request(streams.stdio(), container::Gate::Held)
    };
    let mut init = container::create(&request).unwrap();
    init.start().unwrap();
    let outcome = streams.finish(init.pidfd());
    let left = cgroup.pids().unwrap();
    cgroup.delete().unwrap();
    assert!(left.is_empty());
    let text = outcome.output;
    let groups = text.lines().take_while(|line| line.contains(":/"));
    assert!(
        groups.filter(|line| line.ends_with(":/")).count() >= 1,
        "{text}"
    );
    assert!(!text.contains(bundle.id.as_str()), "{text}");
    assert!(
        text.contains("tasks") || text.contains("cgroup.procs"),
        "{text}"
    );
    assert!(text.contains("Read-only file system"), "{text}");
}

#[test]
fn the_loopback_interface_of_a_new_network_is_up() {
    let mut bundle = Bundle::new();
    let output = bundle.script("ip link show lo; hostname");
    assert!(output.contains("LOOPBACK,UP"), "{output}");
    assert!(output.contains("box"), "{output}");
}

#[test]
fn impossible_namespaces_name_their_field() {
    let cases: [Wrong<'_>; 6] = [
        ("linux.namespaces", &|b| b.without(NamespaceKind::Mount)),
        ("hostname", &|b| b.without(NamespaceKind::Uts)),
        ("linux.namespaces[6]", &|b| {
            let twice = docker_like().linux.unwrap().namespaces.remove(0);
            b.linux().namespaces.push(twice);
        }),
        ("linux.uidMappings", &|b| {
            b.namespace(NamespaceKind::User, "");
        }),
        ("linux.timeOffsets", &|b| {
            let offsets = &mut b.linux().time_offsets;
            offsets.insert("boottime".to_owned(), TimeOffset::default());
        }),
        ("linux.namespaces[5].path", &|b| {
            b.namespace(NamespaceKind::Network, "/etc/passwd");
        }),
    ];
    for (field, change) in cases {
        let mut bundle = Bundle::new();
        change(&mut bundle);
        let error = bundle.run().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{field}:")), "{error}");
    }
}
