//! A container as an OCI runtime configuration, with Docker's defaults.
//!
//! One file an area; each adds its part to the document.

mod capabilities;
mod devices;
mod environment;
mod mounts;
mod namespaces;
mod process;
mod resources;
mod security;

pub(crate) use devices::likely_rules as likely_device_rules;
pub(crate) use environment::inherit as inherit_env;
pub(crate) use mounts::likely_sysfs;
pub(crate) use process::exec as exec_process;
pub(crate) use resources::update as update_resources;
pub(crate) use security::likely_sysctls;

use crate::context::Context;
use crate::links::Linked;
use crate::{ContainerRecord, ContainerSpec, Error, NetworkState, PidMode};
use oci::runtime::{IdMaps, Linux, Root, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// What a supervisor is given besides the root file system.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) spec: Spec,
    pub(crate) log: logs::Config,
    /// Mounts of the root's topmost layers.
    pub(crate) layers: Vec<Arc<OwnedFd>>,
}

/// What the parts of the document are made from.
struct Input<'a> {
    record: &'a ContainerRecord,
    /// The directory of the container's files that are mounted over `/etc`.
    dir: &'a Path,
    /// Its cgroup.
    cgroups_path: String,
    /// The executable of PID 1, if the container asks for one.
    init: Option<&'a Path>,
    /// Where the network namespace that it joins is found; `None`: it gets a new one.
    netns: Option<String>,
    /// Where the sysfs of that is, mounted nowhere, if it is there.
    sysfs: Option<String>,
    /// The usual parameters are set in it.
    has_sysctls: bool,
    /// Where the namespace of processes is that it joins; `None`: it gets a new one.
    pidns: Option<String>,
    /// Where another container's IPC namespace and shared memory are found, if it joins them.
    ipc: Option<(String, String)>,
    /// The user namespace, if it is not the host's.
    users: Option<&'a Users>,
    /// Volumes whose files are the store's own.
    kept: BTreeSet<&'a str>,
    /// The containers that it finds by link.
    links: &'a [Linked],
}

/// A container's user namespace.
#[derive(Debug)]
pub(crate) struct Users {
    /// Which ids it has.
    pub(crate) maps: IdMaps,
    /// The namespace, held until a process is in it; `None`: it gets a new one.
    pub(crate) namespace: Option<OwnedFd>,
}

/// The networks, and the other container's processes, that a container joins at its start.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Its places in them.
    pub(crate) state: NetworkState,
    /// The namespace, held until a process is in it.
    pub(crate) namespace: Option<OwnedFd>,
    /// Its sysfs, mounted nowhere, if it is there.
    pub(crate) sysfs: Option<OwnedFd>,
    /// The usual parameters are set in it.
    pub(crate) has_sysctls: bool,
    /// Another container's processes, likewise.
    pub(crate) processes: Option<OwnedFd>,
    /// Another container's IPC objects, likewise.
    pub(crate) ipc: Option<JoinedIpc>,
    /// The user namespace, if it is not the host's.
    pub(crate) users: Option<Users>,
    /// The containers that it finds by link.
    pub(crate) links: Vec<Linked>,
}

/// Another container's IPC objects.
#[derive(Debug)]
pub(crate) struct JoinedIpc {
    pub(crate) namespace: OwnedFd,
    /// A detached mount of its `/dev/shm`.
    pub(crate) memory: OwnedFd,
}

/// Where another process of ours finds what a descriptor leads to.
fn path(fd: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}

/// Where the init is in a container. COMPAT: as in Docker's.
const INIT: &str = "/sbin/docker-init";

impl Input<'_> {
    fn spec(&self) -> &ContainerSpec {
        &self.record.spec
    }
}

impl Bundle {
    /// Makes the files that are mounted, and the document.
    pub(crate) fn prepare(
        record: &ContainerRecord,
        context: &Context,
        network: &Joined,
        log: logs::Config,
    ) -> Result<Self, Error> {
        let dir = context.config.paths.container(&record.id);
        let files = crate::files::directory(&context.config.paths, record, &network.state);
        if files == dir {
            let gateways = context.networks.host_gateways();
            let record = context.config.networks.resolving(record);
            crate::files::prepare(&record, &dir, (&network.state, &network.links), &gateways)?;
        }
        let parent = &record.spec.resources.cgroup_parent;
        let input = Input {
            record,
            dir: &files,
            cgroups_path: context.config.cgroups_path(parent, &record.id),
            init: asks_for_init(&record.spec).then_some(&*context.config.init_program),
            netns: network.namespace.as_ref().map(path),
            sysfs: network.sysfs.as_ref().map(path),
            has_sysctls: network.has_sysctls,
            pidns: network.processes.as_ref().map(path),
            ipc: network
                .ipc
                .as_ref()
                .map(|ipc| (path(&ipc.namespace), path(&ipc.memory))),
            users: network.users.as_ref(),
            kept: kept(record, context),
            links: &network.links,
        };
        Ok(Self {
            spec: generate(&input)?,
            log,
            layers: context.images.layer_mounts(&record.rootfs),
        })
    }
}

/// The volumes on which nothing is mounted: what is in them has ids as containers have them, while
/// what is elsewhere has the host's.
fn kept<'a>(record: &'a ContainerRecord, context: &Context) -> BTreeSet<&'a str> {
    let names = record.mounts.iter().filter(|point| point.is_volume());
    let names = names.filter_map(|point| point.name.as_deref());
    names
        .filter(|name| {
            context
                .shelf
                .find(name)
                .is_ok_and(|volume| volume.options.iter().all(BTreeMap::is_empty))
        })
        .collect()
}

/// A container in the host's pid namespace has a PID 1 already.
fn asks_for_init(spec: &ContainerSpec) -> bool {
    spec.init == Some(true) && spec.namespaces.pid == PidMode::Private
}

fn generate(input: &Input<'_>) -> Result<Spec, Error> {
    let spec = input.spec();
    security::check_sysctls(spec)?;
    let mut linux = Linux {
        cgroups_path: input.cgroups_path.clone(),
        namespaces: namespaces::of(input),
        sysctl: security::sysctls(input),
        resources: Some(resources::of(spec)?),
        devices: devices::nodes(spec)?,
        ..Linux::default()
    };
    security::masks(spec, &mut linux);
    if let Some(users) = input.users {
        linux.uid_mappings.clone_from(&users.maps.uids);
        linux.gid_mappings.clone_from(&users.maps.gids);
    }
    linux.seccomp = security::seccomp(spec)?;
    linux.rootfs_propagation = mounts::root_propagation(input.record);
    Ok(Spec {
        oci_version: oci::runtime::VERSION.to_owned(),
        process: Some(process::of(input)?),
        root: Some(Root {
            path: "rootfs".to_owned(),
            readonly: spec.read_only_root,
        }),
        hostname: namespaces::hostname(input.record),
        domainname: namespaces::domainname(spec),
        mounts: mounts::of(input)?,
        annotations: spec.annotations.clone(),
        linux: Some(linux),
        ..Spec::default()
    })
}

/// What of the document a container has that asks for nothing, with a cgroup namespace of its own or
/// without.
pub(crate) fn likely(cgroup_namespace: bool) -> Spec {
    let silent = ContainerSpec::default();
    let mut linux = Linux {
        namespaces: namespaces::likely(cgroup_namespace),
        sysctl: likely_sysctls(),
        ..Linux::default()
    };
    security::masks(&silent, &mut linux);
    Spec {
        mounts: mounts::likely(),
        linux: Some(linux),
        ..Spec::default()
    }
}

/// Whether the document can be made, as far as that is known before the start.
pub(crate) fn check(spec: &ContainerSpec) -> Result<(), Error> {
    capabilities::of(&spec.security)?;
    security::check(spec)
}

#[cfg(test)]
mod tests;
