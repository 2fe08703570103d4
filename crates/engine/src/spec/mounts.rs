//! What is mounted over the root: the kernel's file systems, the container's own files, and
//! what its caller asked for.

use super::Input;
use crate::{ContainerRecord, ContainerSpec, Error, IpcMode, MountKind, files};
use oci::runtime::{Mount, Propagation};

/// The size of `/dev/shm` if nobody says.
const SHM: u64 = 64 << 20;

/// Options of a temporary file system that are passed on as they are.
const TMPFS: [&str; 20] = [
    "ro",
    "rw",
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "sync",
    "async",
    "dirsync",
    "remount",
    "mand",
    "nomand",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "strictatime",
];

pub(super) fn of(input: &Input<'_>) -> Result<Vec<Mount>, Error> {
    let spec = input.spec();
    let mut wanted = asked_for(input)?;
    wanted.sort_by_key(|mount| depth(&mount.destination));
    let replaced = |mount: &Mount| {
        wanted
            .iter()
            .any(|w| clean(&w.destination) == mount.destination)
    };
    let mut mounts = kernel(spec);
    mounts.extend(own_files(input));
    mounts.extend(init(input));
    mounts.retain(|mount| !replaced(mount));
    mounts.extend(wanted);
    Ok(mounts)
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

fn kernel(spec: &ContainerSpec) -> Vec<Mount> {
    let access = match spec.security.privileged {
        true => "rw",
        false => "ro",
    };
    let locked = ["nosuid", "noexec", "nodev"];
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &locked),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
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
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", access],
        ),
    ];
    mounts.push(mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &[access, "nosuid", "noexec", "nodev"],
    ));
    match spec.namespaces.ipc {
        IpcMode::Host => {
            // The namespace's own queues, also where the host has them mounted nowhere.
            mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &locked));
            mounts.push(mount(
                "/dev/shm",
                "bind",
                "/dev/shm",
                &["rbind", "rprivate"],
            ));
        }
        IpcMode::None => mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &locked)),
        _ => {
            mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &locked));
            let size = format!("size={}", spec.shm_size.unwrap_or(SHM));
            mounts.push(mount(
                "/dev/shm",
                "tmpfs",
                "shm",
                &["nosuid", "noexec", "nodev", "mode=1777", &size],
            ));
        }
    }
    mounts
}

/// The files of `/etc` that are the container's own; writable unless the root is not.
fn own_files(input: &Input<'_>) -> Vec<Mount> {
    let access = match input.spec().read_only_root {
        true => "ro",
        false => "rw",
    };
    [
        ("/etc/resolv.conf", files::RESOLV_CONF),
        ("/etc/hostname", files::HOSTNAME),
        ("/etc/hosts", files::HOSTS),
    ]
    .into_iter()
    .map(|(destination, name)| {
        let source = input.dir.join(name).to_string_lossy().into_owned();
        mount(destination, "bind", &source, &["rbind", "rprivate", access])
    })
    .collect()
}

/// The init, sealed: also `/proc/1/exe` goes through this mount, which is read-only.
fn init(input: &Input<'_>) -> Option<Mount> {
    let program = input.init?.to_string_lossy().into_owned();
    Some(mount(
        super::INIT,
        "bind",
        &program,
        &["bind", "ro", "nosuid", "nodev"],
    ))
}

fn asked_for(input: &Input<'_>) -> Result<Vec<Mount>, Error> {
    let spec = input.spec();
    let mut mounts = Vec::new();
    for bind in &spec.binds {
        let access = match bind.read_only {
            true => "ro",
            false => "rw",
        };
        let propagation = bind
            .propagation
            .map_or("rprivate", crate::Propagation::name);
        let source = bind.source.as_deref().unwrap_or_default();
        mounts.push(mount(
            &bind.target,
            "bind",
            source,
            &["rbind", propagation, access],
        ));
    }
    for wanted in &spec.mounts {
        mounts.extend(long_form(wanted));
    }
    for (target, options) in &spec.tmpfs {
        let options = tmpfs_options(options)?;
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        mounts.push(mount(target, "tmpfs", "tmpfs", &options));
    }
    Ok(mounts)
}

fn long_form(wanted: &crate::Mount) -> Option<Mount> {
    let access = match wanted.read_only {
        true => "ro",
        false => "rw",
    };
    match &wanted.kind {
        MountKind::Bind {
            source,
            propagation,
            non_recursive,
            ..
        } => {
            let bind = match non_recursive {
                true => "bind",
                false => "rbind",
            };
            let propagation = propagation.map_or("rprivate", crate::Propagation::name);
            Some(mount(
                &wanted.target,
                "bind",
                source,
                &[bind, propagation, access],
            ))
        }
        MountKind::Tmpfs { size, mode } => {
            let mut options = vec!["noexec".to_owned(), "nosuid".to_owned(), "nodev".to_owned()];
            options.extend(size.map(|size| format!("size={size}")));
            options.extend(mode.map(|mode| format!("mode={mode:o}")));
            options.push(access.to_owned());
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            Some(mount(&wanted.target, "tmpfs", "tmpfs", &options))
        }
        // Refused when the container was made.
        MountKind::Volume { .. } => None,
    }
}

/// COMPAT: Docker's `--tmpfs` is `noexec,nosuid,nodev` unless its options say otherwise.
fn tmpfs_options(text: &str) -> Result<Vec<String>, Error> {
    let given: Vec<&str> = text
        .split(',')
        .filter(|option| !option.is_empty())
        .collect();
    for option in &given {
        let with_value = option.split_once('=');
        let known = match with_value {
            Some((name, value)) => {
                matches!(
                    name,
                    "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" | "mpol"
                ) && !value.is_empty()
            }
            None => TMPFS.contains(option),
        };
        if !known {
            return Err(Error::invalid(
                "HostConfig.Tmpfs",
                format!("invalid tmpfs option {option:?}"),
            ));
        }
    }
    let mut options: Vec<String> = [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")]
        .into_iter()
        .filter(|(_, contrary)| !given.contains(contrary))
        .map(|(option, _)| option.to_owned())
        .collect();
    for option in given {
        if !options.iter().any(|known| known == option) {
            options.push(option.to_owned());
        }
    }
    Ok(options)
}

pub(super) fn check_tmpfs(spec: &ContainerSpec) -> Result<(), Error> {
    spec.tmpfs
        .values()
        .try_for_each(|options| tmpfs_options(options).map(drop))
}

/// Mounts that travel need a root that lets them.
pub(super) fn root_propagation(record: &ContainerRecord) -> Option<Propagation> {
    let has = |names: [&str; 2]| {
        record
            .mounts
            .iter()
            .any(|m| names.contains(&m.propagation.as_str()))
    };
    if has(["shared", "rshared"]) {
        return Some(Propagation::Shared);
    }
    has(["slave", "rslave"]).then_some(Propagation::RecursiveSlave)
}

fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

fn clean(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|p| !p.is_empty() && *p != ".")
        .collect();
    format!("/{}", parts.join("/"))
}
