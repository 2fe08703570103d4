//! Devices: nodes in `/dev`, and rules of the device cgroup.

use crate::{ContainerSpec, DeviceKind, Error};
use oci::runtime::{Device, DeviceKind as NodeKind, DeviceRule, DeviceRuleKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The most devices a directory of the host may bring.
const BOUND: usize = 4_096;

/// Nodes beyond those that every container gets.
pub(super) fn nodes(spec: &ContainerSpec) -> Result<Vec<Device>, Error> {
    if spec.security.privileged {
        return tree(Path::new("/dev"), "/dev");
    }
    let mut nodes = Vec::new();
    for device in &spec.resources.devices {
        nodes.extend(found(device)?);
    }
    Ok(nodes)
}

/// The rules of a container that asks for no device.
pub(crate) fn likely_rules() -> Vec<DeviceRule> {
    let character = DeviceRuleKind::Character;
    // zero, null, urandom, random, tty, console
    let usual = [(1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1)];
    let usual = usual.map(|(major, minor)| rule(true, character, Some(major), Some(minor), "rwm"));
    let none = rule(false, DeviceRuleKind::All, None, None, "rwm");
    std::iter::once(none).chain(usual).collect()
}

fn rule(
    allow: bool,
    kind: DeviceRuleKind,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> DeviceRule {
    DeviceRule {
        allow,
        kind: Some(kind),
        major,
        minor,
        access: access.to_owned(),
    }
}

/// What may be done to devices, the later rule wins.
pub(super) fn rules(spec: &ContainerSpec) -> Result<Vec<DeviceRule>, Error> {
    if spec.security.privileged {
        return Ok(vec![rule(true, DeviceRuleKind::All, None, None, "rwm")]);
    }
    let character = DeviceRuleKind::Character;
    let mut rules = likely_rules();
    for device in &spec.resources.devices {
        let access = match device.permissions.as_str() {
            "" => "rwm",
            permissions => permissions,
        };
        for node in found(device)? {
            let kind = match node.kind {
                NodeKind::Block => DeviceRuleKind::Block,
                _ => character,
            };
            rules.push(rule(true, kind, Some(node.major), Some(node.minor), access));
        }
    }
    for asked in &spec.resources.device_cgroup_rules {
        let kind = match asked.kind {
            DeviceKind::All => DeviceRuleKind::All,
            DeviceKind::Block => DeviceRuleKind::Block,
            DeviceKind::Character => character,
        };
        rules.push(rule(true, kind, asked.major, asked.minor, &asked.access));
    }
    Ok(rules)
}

/// A device of the host, or all of a directory.
fn found(device: &crate::Device) -> Result<Vec<Device>, Error> {
    let target = match device.container.as_str() {
        "" => device.host.as_str(),
        path => path,
    };
    let path = Path::new(&device.host);
    let metadata = std::fs::metadata(path).map_err(|error| gathering(path, &reason(&error)))?;
    if metadata.is_dir() {
        return tree(path, target);
    }
    match node(&metadata, target) {
        Some(node) => Ok(vec![node]),
        None => Err(gathering(path, "not a device node")),
    }
}

/// The kernel's word as dockerd has it, by which clients tell a missing device from others.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn gathering(path: &Path, reason: &str) -> Error {
    let path = path.display();
    Error::unmet(
        "HostConfig.Devices",
        format!(
            "error gathering device information while adding custom device \"{path}\": {reason}"
        ),
    )
}

fn node(metadata: &std::fs::Metadata, target: &str) -> Option<Device> {
    let kind = metadata.file_type();
    let kind = match (kind.is_block_device(), kind.is_char_device()) {
        (true, _) => NodeKind::Block,
        (_, true) => NodeKind::Character,
        _ => return None,
    };
    let number = metadata.rdev();
    Some(Device {
        kind,
        path: target.to_owned(),
        major: i64::from(rustix::fs::major(number)),
        minor: i64::from(rustix::fs::minor(number)),
        file_mode: Some(metadata.mode() & 0o7777),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
    })
}

/// The devices below a directory of the host; terminals and mounts of a container's own are
/// left out.
fn tree(root: &Path, target: &str) -> Result<Vec<Device>, Error> {
    let mut nodes = Vec::new();
    let mut waiting = vec![(root.to_owned(), target.to_owned())];
    while let Some((dir, target)) = waiting.pop() {
        let entries = std::fs::read_dir(&dir).map_err(Error::io("list", &dir))?;
        for entry in entries {
            let entry = entry.map_err(Error::io("list", &dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let inside = format!("{}/{name}", target.trim_end_matches('/'));
            let path: PathBuf = entry.path();
            // What went away meanwhile is not there.
            let Ok(metadata) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            let own = [
                "pts",
                "shm",
                "fd",
                "mqueue",
                "console",
                ".lxc",
                ".lxd-mounts",
                ".udev",
            ];
            if own.contains(&name.as_str()) {
                continue;
            }
            if metadata.is_dir() {
                waiting.push((path, inside));
            } else {
                nodes.extend(node(&metadata, &inside));
            }
            if nodes.len() > BOUND {
                return Err(gathering(root, "there are too many devices"));
            }
        }
    }
    Ok(nodes)
}
