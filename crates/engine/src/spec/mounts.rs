//! What is mounted over the root: the kernel's file systems, the container's own files, and
//! what its caller asked for.

use super::Input;
use crate::mount_points::{clean, depth};
use crate::{ContainerRecord, Error, IpcMode, MountPoint, ReadOnlyRecursion, files};
use oci::runtime::{Mount, Propagation};
use types::Layer;

/// The size of `/dev/shm` if nobody says.
const SHM: u64 = 64 << 20;

/// Where the kernel's devices are.
const SYS: &str = "/sys";

/// What is mounted has ids as the container has them.
const SHIFTED: &str = "idmap";

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
    let mut wanted = asked_for(input)?;
    wanted.sort_by_key(|mount| depth(&mount.destination));
    let replaced = |mount: &Mount| {
        wanted
            .iter()
            .any(|w| clean(&w.destination) == mount.destination)
    };
    // What is mounted over a directory of theirs must not hide them.
    let covered = |mount: &Mount| {
        let below = |above: &str| mount.destination.starts_with(&format!("{above}/"));
        wanted.iter().any(|w| below(&clean(&w.destination)))
    };
    let access = match input.spec().security.privileged {
        true => "rw",
        false => "ro",
    };
    let groups = match input.spec().security.writable_cgroups {
        true => "rw",
        false => access,
    };
    let mut mounts = kernel(access, groups);
    if let Some(path) = &input.sysfs {
        let sysfs = likely_sysfs();
        let alike = mounts.iter_mut().find(|mount| **mount == sysfs);
        alike
            .into_iter()
            .for_each(|mount| *mount = detached(SYS, path));
    }
    let own = shared_memory(input).into_iter().chain(own_files(input));
    let own = own.chain(init(input));
    let (late, early): (Vec<_>, Vec<_>) = own
        .filter(|mount| !replaced(mount))
        .partition(|mount| covered(mount));
    mounts.retain(|mount| !replaced(mount));
    mounts.extend(early);
    wanted.extend(late);
    wanted.sort_by_key(|mount| depth(&mount.destination));
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

/// The kernel's file systems of a container that asks for nothing else.
pub(super) fn likely() -> Vec<Mount> {
    let mut mounts = kernel("ro", "ro");
    mounts.push(own_memory(SHM));
    mounts
}

/// The sysfs among them.
pub(crate) fn likely_sysfs() -> Mount {
    sysfs("ro")
}

fn sysfs(access: &str) -> Mount {
    mount(
        SYS,
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", access],
    )
}

/// What is there already, and mounted nowhere.
fn detached(destination: &str, path: &str) -> Mount {
    mount(destination, "corten.detached", path, &[])
}

/// `/proc`, `/sys` with their access, and control groups with theirs.
fn kernel(access: &str, groups: &str) -> Vec<Mount> {
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
        sysfs(access),
    ];
    mounts.push(mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &[groups, "nosuid", "noexec", "nodev"],
    ));
    // The namespace's own queues, also where the host has them mounted nowhere.
    mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &locked));
    mounts
}

fn shared_memory(input: &Input<'_>) -> Option<Mount> {
    let spec = input.spec();
    let at = "/dev/shm";
    match (&spec.namespaces.ipc, &input.ipc) {
        (IpcMode::None, _) => None,
        (IpcMode::Host, _) => Some(mount(at, "bind", at, &["rbind", "rprivate"])),
        (_, Some((_, memory))) => Some(detached(at, memory)),
        (_, None) => Some(own_memory(spec.shm_size.unwrap_or(SHM))),
    }
}

fn own_memory(size: u64) -> Mount {
    let size = format!("size={size}");
    let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
    mount("/dev/shm", "tmpfs", "shm", &options)
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
        // They are the container's root's.
        let shifted = input.users.map(|_| SHIFTED);
        let options = ["rbind", "rprivate", access].into_iter().chain(shifted);
        mount(destination, "bind", &source, &options.collect::<Vec<_>>())
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
    let points = input.record.mounts.iter();
    let mut mounts: Vec<Mount> = points.map(|point| of_point(point, input)).collect();
    for (target, options) in &input.spec().tmpfs {
        let options = tmpfs_options(options)?;
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        mounts.push(mount(target, "tmpfs", "tmpfs", &options));
    }
    Ok(mounts)
}

fn of_point(point: &MountPoint, input: &Input<'_>) -> Mount {
    let mut options: Vec<String> = Vec::new();
    let mut push = |option: &str| options.push(option.to_owned());
    let (kind, source) = match point.kind.as_str() {
        "tmpfs" => {
            point.options.iter().for_each(|option| push(option));
            push(if point.writable { "rw" } else { "ro" });
            ("tmpfs", "tmpfs")
        }
        "image" => {
            for layer in &point.layers {
                push(&match layer {
                    Layer::Erofs(path) => format!("corten.layer={}", path.display()),
                    Layer::Directory(path) => format!("corten.tree={}", path.display()),
                });
            }
            push("ro");
            ("corten.layers", point.source.as_str())
        }
        _ => {
            push(if point.non_recursive { "bind" } else { "rbind" });
            push(match point.propagation.as_str() {
                "" => "rprivate",
                propagation => propagation,
            });
            match (point.writable, point.recursion) {
                (true, _) => push("rw"),
                (false, ReadOnlyRecursion::None) => push("ro"),
                (false, _) => push("rro"),
            }
            let name = point.name.as_deref().filter(|_| point.is_volume());
            if input.users.is_some() && name.is_some_and(|name| input.kept.contains(name)) {
                push(SHIFTED);
            }
            ("bind", point.source.as_str())
        }
    };
    if !point.subpath.is_empty() {
        push(&format!("corten.subpath={}", point.subpath));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    mount(&point.target, kind, source, &options)
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
            return Err(Error::unmet(
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
