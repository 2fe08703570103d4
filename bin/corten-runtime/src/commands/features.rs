//! `features`: what this runtime can do.

use super::{Context, print};
use crate::arguments::Arguments;
use anyhow::Result;
use oci::runtime::features::{
    Cgroup, Enabled, Features, IntelRdt, Linux, MemoryPolicy as Policy, MountExtensions, Seccomp,
};
use oci::runtime::{
    Arch, MemoryPolicyFlag, MemoryPolicyMode, NamespaceKind, SeccompAction, SeccompFlag,
    SeccompOperator, VERSION,
};
use std::fmt::Display;

const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];
const MOUNT_OPTIONS: [&str; 62] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];
/// The architectures whose calls we have no table of.
const WITHOUT_TABLE: [Arch; 5] = [
    Arch::Parisc,
    Arch::Parisc64,
    Arch::M68k,
    Arch::Sh,
    Arch::Sheb,
];

pub(super) fn features(_: &Context, _: &Arguments) -> Result<u8> {
    let features = Features {
        oci_version_min: "1.0.0".to_owned(),
        oci_version_max: VERSION.to_owned(),
        hooks: Some(words(HOOKS)),
        mount_options: Some(words(MOUNT_OPTIONS)),
        linux: Some(linux()),
        annotations: [("io.corten.runtime.version", env!("CARGO_PKG_VERSION"))]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        potentially_unsafe_config_annotations: Vec::new(),
    };
    let mut text = Vec::new();
    let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, indented);
    serde::Serialize::serialize(&features, &mut serializer)?;
    print(&format!("{}\n", String::from_utf8_lossy(&text)))?;
    Ok(0)
}

fn words<T: Display>(list: impl IntoIterator<Item = T>) -> Vec<String> {
    list.into_iter().map(|word| word.to_string()).collect()
}

fn sorted<T: Display>(list: impl IntoIterator<Item = T>) -> Option<Vec<String>> {
    let mut words = words(list);
    words.sort();
    Some(words)
}

#[expect(clippy::unnecessary_wraps, reason = "the document's own type")]
const fn enabled(yes: bool) -> Option<Enabled> {
    Some(Enabled { enabled: Some(yes) })
}

fn linux() -> Linux {
    let archs = Arch::ALL
        .iter()
        .filter(|arch| !WITHOUT_TABLE.contains(arch));
    Linux {
        namespaces: sorted(NamespaceKind::ALL),
        capabilities: Some(words(types::CAPABILITIES)),
        cgroup: Some(Cgroup {
            v1: Some(true),
            v2: Some(true),
            systemd: Some(true),
            systemd_user: Some(true),
            rdma: Some(true),
        }),
        seccomp: Some(Seccomp {
            enabled: Some(true),
            actions: sorted(SeccompAction::ALL),
            operators: sorted(SeccompOperator::ALL),
            archs: sorted(archs),
            known_flags: sorted(SeccompFlag::ALL),
            supported_flags: sorted(SeccompFlag::ALL),
        }),
        apparmor: enabled(true),
        selinux: enabled(true),
        intel_rdt: Some(IntelRdt {
            enabled: Some(true),
            schemata: Some(true),
            monitoring: Some(true),
        }),
        memory_policy: Some(Policy {
            modes: sorted(MemoryPolicyMode::ALL),
            flags: sorted(MemoryPolicyFlag::ALL),
        }),
        mount_extensions: Some(MountExtensions {
            idmap: enabled(true),
        }),
        net_devices: enabled(true),
    }
}
