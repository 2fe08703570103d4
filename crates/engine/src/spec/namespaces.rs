//! Which namespaces are the container's own.

use super::Input;
use crate::{CgroupMode, ContainerRecord, ContainerSpec, IpcMode, NetworkMode, PidMode, UtsMode};
use oci::runtime::{Namespace, NamespaceKind};

/// The container's own namespaces; those that are not listed are the host's.
pub(super) fn of(input: &Input<'_>) -> Vec<Namespace> {
    let spec = &input.spec().namespaces;
    let own = [
        (NamespaceKind::User, input.users.is_some()),
        (NamespaceKind::Mount, true),
        (NamespaceKind::Network, spec.network != NetworkMode::Host),
        (NamespaceKind::Uts, spec.uts != UtsMode::Host),
        (NamespaceKind::Pid, spec.pid != PidMode::Host),
        (NamespaceKind::Ipc, spec.ipc != IpcMode::Host),
        (NamespaceKind::Cgroup, spec.cgroup == CgroupMode::Private),
    ];
    let users = input.users.and_then(|users| users.namespace.as_ref());
    let joined = |kind| match kind {
        NamespaceKind::User => users.map(super::path),
        NamespaceKind::Network => input.netns.clone(),
        NamespaceKind::Pid => input.pidns.clone(),
        NamespaceKind::Ipc => input.ipc.as_ref().map(|(namespace, _)| namespace.clone()),
        _ => None,
    };
    let namespace = |(kind, _)| Namespace {
        kind,
        path: joined(kind).unwrap_or_default(),
    };
    own.into_iter()
        .filter(|(_, own)| *own)
        .map(namespace)
        .collect()
}

/// Those of a container that asks for nothing.
pub(super) fn likely(cgroup: bool) -> Vec<Namespace> {
    let own = [
        (NamespaceKind::Mount, true),
        (NamespaceKind::Network, true),
        (NamespaceKind::Uts, true),
        (NamespaceKind::Pid, true),
        (NamespaceKind::Ipc, true),
        (NamespaceKind::Cgroup, cgroup),
    ];
    let own = own.into_iter().filter(|(_, own)| *own);
    let namespace = |(kind, _)| Namespace {
        kind,
        path: String::new(),
    };
    own.map(namespace).collect()
}

pub(super) fn hostname(record: &ContainerRecord) -> String {
    match record.spec.namespaces.uts {
        UtsMode::Host => String::new(),
        UtsMode::Private => crate::files::hostname(record),
    }
}

pub(super) fn domainname(spec: &ContainerSpec) -> String {
    match spec.namespaces.uts {
        UtsMode::Host => String::new(),
        UtsMode::Private => spec.domainname.clone(),
    }
}
