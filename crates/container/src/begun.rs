//! An init that is made before anybody asks for its container: it has set up what containers have
//! alike, and waits for the rest.
//!
//! What it has done is a part of a configuration. A container whose configuration has that part
//! too is made by [`Begun::finish`]; for any other the init is dropped, which ends it, and nothing
//! of it is seen: it has a copy of the mount namespace made ahead, and clones of the mounts.

use crate::Error;
use crate::create::{self, Create};
use crate::init::Init;
use crate::launch::Launch;
use crate::plan::{self, Part, Plan};
use crate::steps::{self, Setup};
use crate::stock::Stock;
use crate::target::{self, Links};
use oci::runtime::{Linux, Mount, Namespace, NamespaceKind, Spec};
use rustix::fs::OFlags;
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::Path;
use sys::clone::{Clone, Parked};
use sys::namespace::Kind;

/// Where the kernel's file systems are: a mount of anybody else's there may be meant to be below
/// what is done, or above.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];
/// What depends on the container's network namespace: its devices, and its parameters, which are
/// set before they become read-only.
const LATE: [&str; 2] = ["/sys", "/proc/sys"];

/// The init.
#[derive(Debug)]
pub struct Begun {
    parked: Parked<Left>,
    done: Done,
}

/// What it holds.
#[derive(Debug)]
pub(crate) struct Left {
    /// The root.
    pub(crate) root: OwnedFd,
    /// A procfs of the container's own that nobody mounted over.
    pub(crate) procfs: Option<OwnedFd>,
}

impl Left {
    /// The numbers of its descriptors.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        let procfs = self.procfs.iter();
        procfs.chain([&self.root]).map(|fd| fd.as_raw_fd())
    }
}

/// What of a configuration is done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    namespaces: Vec<Namespace>,
    pub(crate) mounts: Vec<Mount>,
    masked: Vec<String>,
    readonly: Vec<String>,
    sysctl: BTreeMap<String, String>,
}

impl Done {
    /// What of this configuration can be done before the rest is known.
    fn of(spec: &Spec) -> Self {
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

    /// The paths that are masked, those that are read-only, and the kernel parameters.
    pub(crate) fn paths_and_parameters(
        &self,
    ) -> (Vec<String>, Vec<String>, BTreeMap<String, String>) {
        (
            self.masked.clone(),
            self.readonly.clone(),
            self.sysctl.clone(),
        )
    }

    /// These paths without those that are masked already.
    pub(crate) fn left_to_mask(&self, paths: &[String]) -> Vec<String> {
        left(paths, &self.masked)
    }

    /// These paths without those that are read-only already.
    pub(crate) fn left_to_seal(&self, paths: &[String]) -> Vec<String> {
        left(paths, &self.readonly)
    }

    /// The kernel parameters that are not set yet: another network namespace has its own.
    pub(crate) fn left_to_set(&self, linux: &Linux) -> BTreeMap<String, String> {
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
    fn is_part_of(&self, spec: &Spec) -> bool {
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
            && !plan::changes_usual_devices(linux)
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

fn left(paths: &[String], done: &[String]) -> Vec<String> {
    let paths = paths.iter().filter(|path| !done.contains(path));
    paths.cloned().collect()
}

fn all_in(these: &[String], those: &[String]) -> bool {
    these.iter().all(|one| those.contains(one))
}

impl Begun {
    /// Makes an init for containers whose configuration is like this one, in the namespaces that
    /// it joins. `None` where that is not done.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn begin(request: &Create<'_>) -> Result<Option<Self>, Error> {
        if sys::namespace::maps_users() || !has_places(request) {
            return Ok(None);
        }
        let done = Done::of(request.spec);
        let plan = Plan::of_create(request, Part::First(&done))?;
        let entry = plan::membership(&plan, request.cgroup)?;
        let launch = Launch {
            plan: &plan,
            entry: entry.as_ref(),
            stdio: request.stdio,
            gate: &request.gate,
            state: plan::state(request),
            cloned: None,
        };
        if !launch.child_is_alone() {
            return Ok(None);
        }
        let parked = Clone {
            namespaces: plan.namespaces.new & !Kind::Cgroup.flag(),
            cgroup: entry.as_ref().and_then(|entry| entry.unified),
            ..Clone::default()
        }
        .park(|| steps::begin(&launch));
        let parked = parked.map_err(Error::process("begin a container's process"))?;
        Ok(parked.map(|parked| Self { parked, done }))
    }

    /// Whether it waits, and a container of this configuration, which joins nothing that was made
    /// ahead yet, is one that it was begun for.
    pub fn fits(&self, spec: &Spec) -> bool {
        self.parked.left().is_some() && self.done.is_part_of(spec)
    }

    /// Makes the container, as [`crate::create`] does. It must fit, and nobody be asked on the way.
    pub fn finish(self, request: &Create<'_>) -> Result<Init, Error> {
        create::make(request, Some(self))
    }

    pub(crate) fn done(&self) -> &Done {
        &self.done
    }

    pub(crate) fn into_parked(self) -> Parked<Left> {
        self.parked
    }
}

/// Whether the root has places for what is mounted: none is made in a root that a container may
/// never have.
fn has_places(request: &Create<'_>) -> bool {
    let Some(root) = request.stock.and_then(Stock::root) else {
        return false;
    };
    let Ok(tree) = root.tree() else { return false };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    [c"dev", c"proc"]
        .iter()
        .all(|name| target::open(tree.as_fd(), name, flags, Links::Refuse).is_ok())
}

impl Part<'_> {
    /// What is done already.
    pub(crate) fn done(&self) -> Option<&Done> {
        match self {
            Self::Rest(done) => Some(done),
            Self::Whole | Self::First(_) => None,
        }
    }
}

impl Setup<'_> {
    /// What a begun init leaves.
    pub(crate) fn into_left(self) -> Option<Left> {
        let (root, procfs) = self.into_root();
        Some(Left {
            root: root?,
            procfs,
        })
    }
}
