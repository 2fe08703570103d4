//! `spec`: a configuration to start from.

use super::Context;
use crate::arguments::{Arguments, Flag, switch, value};
use anyhow::{Context as _, Result, bail};
use oci::runtime::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process,
    Resources, Rlimit, RlimitKind, Root, Spec, VERSION,
};
use std::path::Path;

pub(super) const FLAGS: &[Flag] = &[value("bundle").or("b"), switch("rootless")];

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];
const READONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// Destination, type, source, options.
const MOUNTS: [(&str, &str, &str, &[&str]); 7] = [
    ("/proc", "proc", "proc", &[]),
    (
        "/dev",
        "tmpfs",
        "tmpfs",
        &["nosuid", "strictatime", "mode=755", "size=65536k"],
    ),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        &[
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ],
    ),
    (
        "/dev/shm",
        "tmpfs",
        "shm",
        &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    ),
    (
        "/dev/mqueue",
        "mqueue",
        "mqueue",
        &["nosuid", "noexec", "nodev"],
    ),
    (
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", "ro"],
    ),
    (
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", "ro"],
    ),
];
const NAMESPACES: [NamespaceKind; 5] = [
    NamespaceKind::Pid,
    NamespaceKind::Network,
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Mount,
];

pub(super) fn spec(_: &Context, arguments: &Arguments) -> Result<u8> {
    let path = Path::new(arguments.text("bundle").unwrap_or(".")).join("config.json");
    if path.exists() {
        bail!("File config.json exists. Remove it first");
    }
    let mut spec = example();
    if arguments.on("rootless") {
        to_rootless(&mut spec);
    }
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
    serde::Serialize::serialize(&spec, &mut serializer)?;
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(0)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn example() -> Spec {
    Spec {
        oci_version: VERSION.to_owned(),
        root: Some(Root {
            path: "rootfs".to_owned(),
            readonly: true,
        }),
        process: Some(process()),
        hostname: "corten".to_owned(),
        mounts: MOUNTS.iter().map(mount).collect(),
        linux: Some(linux()),
        ..Spec::default()
    }
}

fn process() -> Process {
    Process {
        terminal: true,
        args: owned(&["sh"]),
        env: owned(&[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ]),
        cwd: "/".to_owned(),
        capabilities: Some(Capabilities {
            bounding: owned(&CAPABILITIES),
            effective: owned(&CAPABILITIES),
            permitted: owned(&CAPABILITIES),
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit {
            kind: RlimitKind::Nofile,
            hard: 1024,
            soft: 1024,
        }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mount((destination, kind, source, options): &(&str, &str, &str, &[&str])) -> Mount {
    Mount {
        destination: (*destination).to_owned(),
        kind: (*kind).to_owned(),
        source: (*source).to_owned(),
        options: owned(options),
        ..Mount::default()
    }
}

fn namespace(kind: NamespaceKind) -> Namespace {
    Namespace {
        kind,
        path: String::new(),
    }
}

fn linux() -> Linux {
    let mut namespaces: Vec<Namespace> = NAMESPACES.map(namespace).into();
    if cgroup::Hierarchies::probe().is_ok_and(|found| found.unified()) {
        namespaces.push(namespace(NamespaceKind::Cgroup));
    }
    let nothing = DeviceRule {
        allow: false,
        kind: None,
        major: None,
        minor: None,
        access: "rwm".to_owned(),
    };
    Linux {
        resources: Some(Resources {
            devices: vec![nothing],
            ..Resources::default()
        }),
        namespaces,
        masked_paths: owned(&MASKED),
        readonly_paths: owned(&READONLY),
        ..Linux::default()
    }
}

/// Leaves out what a user without rights cannot have, and maps the one that runs us.
fn to_rootless(spec: &mut Spec) {
    let linux = spec.linux.get_or_insert_with(Linux::default);
    linux
        .namespaces
        .retain(|one| one.kind != NamespaceKind::Network);
    linux.namespaces.push(namespace(NamespaceKind::User));
    let map = |host_id| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size: 1,
        }]
    };
    linux.uid_mappings = map(rustix::process::geteuid().as_raw());
    linux.gid_mappings = map(rustix::process::getegid().as_raw());
    linux.resources = None;
    for mount in &mut spec.mounts {
        if mount.destination == "/sys" {
            "none".clone_into(&mut mount.kind);
            "/sys".clone_into(&mut mount.source);
            mount.options = owned(&["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
        let is_id = |option: &String| option.starts_with("gid=") || option.starts_with("uid=");
        mount.options.retain(|option| !is_id(option));
    }
}
