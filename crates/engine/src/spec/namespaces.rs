//! Which namespaces are the container's own.

use crate::{
    CgroupMode, ContainerRecord, ContainerSpec, IpcMode, NamespaceSpec, NetworkMode, PidMode,
    UtsMode,
};
use oci::runtime::{Namespace, NamespaceKind};

/// The container's own namespaces; those that are not listed are the host's. `netns` and `pidns`
/// are where the namespaces are that it joins.
pub(super) fn of(spec: &NamespaceSpec, netns: Option<&str>, pidns: Option<&str>) -> Vec<Namespace> {
    let own = [
        (NamespaceKind::Mount, true),
        (NamespaceKind::Network, spec.network != NetworkMode::Host),
        (NamespaceKind::Uts, spec.uts != UtsMode::Host),
        (NamespaceKind::Pid, spec.pid != PidMode::Host),
        (NamespaceKind::Ipc, spec.ipc != IpcMode::Host),
        (NamespaceKind::Cgroup, spec.cgroup == CgroupMode::Private),
    ];
    let namespace = |(kind, _)| Namespace {
        kind,
        path: match kind {
            NamespaceKind::Network => netns.unwrap_or_default().to_owned(),
            NamespaceKind::Pid => pidns.unwrap_or_default().to_owned(),
            _ => String::new(),
        },
    };
    own.into_iter()
        .filter(|(_, own)| *own)
        .map(namespace)
        .collect()
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
