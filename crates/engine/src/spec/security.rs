//! System call filters, masks and kernel parameters.

use super::{Input, capabilities};
use crate::{ContainerSpec, Error, IpcMode, NetworkMode, SeccompMode, SecuritySpec, UtsMode};
use oci::runtime::{Linux, Seccomp};
use seccomp::{Host, Profile};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Hidden from programs. COMPAT: in the order in which inspect shows them.
const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Not to be written to by programs.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The default lists, for inspect and for callers that name none.
pub(super) fn masks(spec: &ContainerSpec, linux: &mut Linux) {
    if spec.security.privileged {
        return;
    }
    linux.masked_paths = spec.security.masked().unwrap_or_default();
    linux.readonly_paths = spec.security.read_only().unwrap_or_default();
}

impl SecuritySpec {
    /// What is hidden from the program: the caller's list, or the default one; none of that
    /// for one with all privileges.
    pub fn masked(&self) -> Option<Vec<String>> {
        self.list(self.masked_paths.as_ref(), &MASKED)
    }

    /// What the program cannot write to, likewise.
    pub fn read_only(&self) -> Option<Vec<String>> {
        self.list(self.read_only_paths.as_ref(), &READ_ONLY)
    }

    fn list(&self, given: Option<&Vec<String>>, default: &[&str]) -> Option<Vec<String>> {
        match (given, self.privileged) {
            (Some(paths), _) => Some(paths.clone()),
            (None, true) => None,
            (None, false) => Some(default.iter().map(|path| (*path).to_owned()).collect()),
        }
    }
}

/// The filter as a document; `None` is none.
pub(super) fn seccomp(spec: &ContainerSpec) -> Result<Option<Seccomp>, Error> {
    let security = &spec.security;
    let profile = match &security.seccomp {
        SeccompMode::Unconfined => return Ok(None),
        SeccompMode::Default if security.privileged => return Ok(None),
        SeccompMode::Default => {
            return Ok(Some(default_filter(capabilities::names(security)?)));
        }
        // COMPAT: a profile that says nothing filters nothing.
        SeccompMode::Profile(profile) if *profile == serde_json::json!({}) => return Ok(None),
        SeccompMode::Profile(profile) => profile,
    };
    let unmet = |reason: String| Error::unmet("HostConfig.SecurityOpt", reason);
    let bytes = serde_json::to_vec(profile).map_err(|e| unmet(e.to_string()))?;
    let profile = Profile::from_slice(&bytes)
        .map_err(|e| unmet(format!("Decoding seccomp profile failed: {e}")))?;
    Ok(Some(
        profile.evaluate(&capabilities::names(security)?, Host::NATIVE),
    ))
}

/// The default filter for these capabilities. Most containers have the same few sets.
fn default_filter(names: Vec<&'static str>) -> Seccomp {
    const KEPT: usize = 16;
    static FILTERS: Mutex<Vec<(Vec<&'static str>, Seccomp)>> = Mutex::new(Vec::new());
    let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, filter)) = filters.iter().find(|(known, _)| *known == names) {
        return filter.clone();
    }
    let filter = seccomp::docker_default(&names, Host::NATIVE);
    if filters.len() >= KEPT {
        filters.remove(0);
    }
    filters.push((names, filter.clone()));
    filter
}

/// Labels of modules that are not driven. COMPAT: where there is no such module, they are nothing.
pub(super) fn check(spec: &ContainerSpec) -> Result<(), Error> {
    let selinux = spec
        .security
        .selinux
        .iter()
        .find(|label| *label != "disable");
    if let Some(label) = selinux
        && Path::new("/sys/fs/selinux/enforce").exists()
    {
        return Err(Error::Unsupported {
            option: format!("HostConfig.SecurityOpt label={label}"),
            reason: "SELinux labels are not set",
        });
    }
    let reserved = spec
        .annotations
        .keys()
        .find(|name| name.starts_with("dev.corten."));
    match reserved {
        Some(name) => Err(Error::invalid(
            "HostConfig.Annotations",
            format!("{name:?} is reserved"),
        )),
        None => Ok(()),
    }
}

/// Only parameters of namespaces that are the container's own.
pub(super) fn check_sysctls(spec: &ContainerSpec) -> Result<(), Error> {
    let mut names = spec.security.sysctls.keys();
    names.try_for_each(|name| check_sysctl(name, spec))
}

fn check_sysctl(name: &str, spec: &ContainerSpec) -> Result<(), Error> {
    // COMPAT: in runc's words.
    let unmet =
        |reason: &str| Error::unmet("HostConfig.Sysctls", format!("sysctl {name:?} {reason}"));
    const STRANGE: &str = "is not in a separate kernel namespace";
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if !name.chars().all(plain) || name.contains("..") {
        return Err(unmet(STRANGE));
    }
    let ipc = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    let (needs_net, needs_ipc) = (
        name.starts_with("net."),
        ipc.contains(&name) || name.starts_with("fs.mqueue."),
    );
    let own_names = spec.namespaces.uts != UtsMode::Host;
    match (needs_net, needs_ipc) {
        (true, _) if spec.namespaces.network == NetworkMode::Host => {
            Err(unmet("not allowed in host network namespace"))
        }
        (_, true) if spec.namespaces.ipc == IpcMode::Host => {
            Err(unmet("is not allowed in the hosts ipc namespace"))
        }
        (true, _) | (_, true) => Ok(()),
        _ if name == "kernel.hostname" && own_names => Err(unmet(
            "is not allowed as it conflicts with the OCI \"hostname\" field",
        )),
        _ if name == "kernel.domainname" && own_names => Ok(()),
        _ => Err(unmet(STRANGE)),
    }
}

pub(super) fn sysctls(input: &Input<'_>) -> BTreeMap<String, String> {
    let spec = input.spec();
    let mut sysctls = spec.security.sysctls.clone();
    if spec.namespaces.network != NetworkMode::Host && !input.has_sysctls {
        let maps = input.users.is_some() || sys::namespace::maps_users();
        for (name, value) in usual_sysctls(maps) {
            sysctls.entry(name).or_insert(value);
        }
    }
    sysctls
}

/// Those of a container that asks for nothing.
pub(crate) fn likely_sysctls() -> BTreeMap<String, String> {
    usual_sysctls(sys::namespace::maps_users()).collect()
}

/// COMPAT: since Docker 20.10 containers may use low ports and ping without privileges.
fn usual_sysctls(maps: bool) -> impl Iterator<Item = (String, String)> {
    let ports = ("net.ipv4.ip_unprivileged_port_start", "0");
    // Not of groups that a user namespace does not have.
    let groups = ("net.ipv4.ping_group_range", "0 2147483647");
    let all = std::iter::once(ports).chain((!maps).then_some(groups));
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
}
