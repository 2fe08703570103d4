//! What of a container is done before the rest of it is known, and what is left then.

use super::devices;
use oci::runtime::{Linux, Mount, Namespace, NamespaceKind, Spec};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the kernel's file systems are: a mount of anybody else's there may be meant to be below
/// what is done, or above.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];
/// What depends on the container's network namespace: its devices, and its parameters, which are
/// set before they become read-only.
const LATE: [&str; 2] = ["/sys", "/proc/sys"];

/// What of a container is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// All of it.
    Whole,
    /// This, for a container that may never be made.
    First(&'a Done),
    /// All but this.
    Rest(&'a Done),
}

impl Part<'_> {
    /// Whether a mount is in it.
    pub(super) fn has(self, mount: &Mount) -> bool {
        match self {
            Self::Whole => true,
            Self::First(done) => done.mounts.contains(mount),
            Self::Rest(done) => !done.mounts.contains(mount),
        }
    }

    /// Whether device nodes are made before it.
    pub(super) fn has_devices(self) -> bool {
        matches!(self, Self::Rest(_))
    }

    /// The paths that it masks.
    pub(super) fn masked(self, linux: &Linux) -> Vec<String> {
        self.paths(&linux.masked_paths, |done| &done.masked)
    }

    /// The paths that it makes read-only.
    pub(super) fn readonly(self, linux: &Linux) -> Vec<String> {
        self.paths(&linux.readonly_paths, |done| &done.readonly)
    }

    fn paths(self, all: &[String], of: impl Fn(&Done) -> &Vec<String>) -> Vec<String> {
        match self {
            Self::Whole => all.to_vec(),
            Self::First(done) => of(done).clone(),
            Self::Rest(done) => {
                let left = all.iter().filter(|path| !of(done).contains(path));
                left.cloned().collect()
            }
        }
    }

    /// The kernel parameters that it sets.
    pub(super) fn sysctl(self, linux: &Linux) -> BTreeMap<String, String> {
        match self {
            Self::Whole => linux.sysctl.clone(),
            Self::First(done) => done.sysctl.clone(),
            Self::Rest(done) => done.left_to_set(linux),
        }
    }
}

/// What of a configuration is done.
#[derive(Debug)]
pub(crate) struct Done {
    namespaces: Vec<Namespace>,
    mounts: Vec<Mount>,
    masked: Vec<String>,
    readonly: Vec<String>,
    sysctl: BTreeMap<String, String>,
}

impl Done {
    /// What of this configuration can be done before the rest is known.
    pub(crate) fn of(spec: &Spec) -> Self {
        let early = |paths: &[String]| {
            let paths = paths.iter().filter(|path| !is_late(path));
            paths.cloned().collect()
        };
        let mounts = spec.mounts.iter();
        let mounts = mounts.filter(|mount| !is_late(&mount.destination));
        let linux = spec.linux.clone().unwrap_or_default();
        Self {
            mounts: mounts.cloned().collect(),
            masked: early(&linux.masked_paths),
            readonly: early(&linux.readonly_paths),
            namespaces: linux.namespaces,
            sysctl: linux.sysctl,
        }
    }

    /// The kernel parameters that are not set yet: another network namespace has its own.
    fn left_to_set(&self, linux: &Linux) -> BTreeMap<String, String> {
        let path = |all: &[Namespace]| {
            let network = |one: &&Namespace| one.kind == NamespaceKind::Network;
            all.iter().find(network).map(|one| one.path.clone())
        };
        match path(&self.namespaces) == path(&linux.namespaces) && self.sysctl == linux.sysctl {
            true => BTreeMap::new(),
            false => linux.sysctl.clone(),
        }
    }

    /// Whether a container of this configuration has all of it, and nothing in its way.
    pub(crate) fn is_part_of(&self, spec: &Spec) -> bool {
        let (Some(linux), Some(process)) = (&spec.linux, &spec.process) else {
            return false;
        };
        let plain = spec.hooks.is_none()
            && process.oom_score_adj.is_none()
            && process.exec_cpu_affinity.is_none()
            && linux.uid_mappings.is_empty()
            && linux.rootfs_propagation.is_none()
            && linux.mount_label.is_empty()
            && linux.net_devices.is_empty()
            && linux.intel_rdt.is_none()
            && linux
                .seccomp
                .as_ref()
                .is_none_or(|filter| filter.listener_path.is_empty());
        plain
            && self.has_namespaces_of(&linux.namespaces)
            && all_in(&self.masked, &linux.masked_paths)
            && all_in(&self.readonly, &linux.readonly_paths)
            && self.has_mounts_of(&spec.mounts)
            && !devices::changes_usual(linux)
    }

    /// Whether these are its namespaces, all new; a network namespace may be there.
    fn has_namespaces_of(&self, wanted: &[Namespace]) -> bool {
        let own = |one: &Namespace| {
            let free = one.path.is_empty() || one.kind == NamespaceKind::Network;
            free && self.namespaces.iter().any(|done| done.kind == one.kind)
        };
        wanted.len() == self.namespaces.len() && wanted.iter().all(own)
    }

    /// Whether its mounts are among these, and no other is where its file systems are.
    fn has_mounts_of(&self, wanted: &[Mount]) -> bool {
        let mut done = self.mounts.iter().peekable();
        wanted.iter().all(|mount| {
            if done.next_if_eq(&mount).is_some() {
                return true;
            }
            let path = Path::new(&mount.destination);
            let kernels = KERNEL.iter().any(|above| path.starts_with(above));
            !kernels || is_late(&mount.destination)
        }) && done.peek().is_none()
    }
}

fn is_late(path: &str) -> bool {
    let path = Path::new(path);
    LATE.iter().any(|late| path.starts_with(late))
}

fn all_in(these: &[String], those: &[String]) -> bool {
    these.iter().all(|one| those.contains(one))
}
