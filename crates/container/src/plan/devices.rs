//! Device nodes: the six that every container has, and the configuration's.

use super::bind::{self, Tree};
use super::text::{Target, c};
use crate::Error;
use oci::runtime::{Device as Requested, DeviceKind, Linux};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::mount::Extent;

/// Symbolic links in every `/dev`: name and value.
pub(crate) const LINKS: [(&CStr, &CStr); 5] = [
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"ptmx", c"pts/ptmx"),
];

const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// One node.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) target: Target,
    /// The name in `/dev`, if it is directly there.
    pub(crate) name: Option<CString>,
    /// Its directory, if it is not directly in `/dev`.
    pub(crate) directory: Option<Target>,
    pub(crate) kind: FileType,
    pub(crate) number: u64,
    pub(crate) mode: u32,
    /// User and group, if not both are root.
    pub(crate) owner: Option<(u32, u32)>,
    /// The host's node, where making one is not allowed.
    pub(crate) host: Option<Tree>,
}

/// The nodes that every container has.
pub(crate) fn usual() -> Result<Vec<Device>, Error> {
    plan(&Linux::default(), false, false)
}

/// The host's null device as a mount that is nowhere yet. It must be one: whatever covers a path
/// can be read there.
pub(super) fn null() -> Result<OwnedFd, Error> {
    const PATH: &str = "/dev/null";
    let failed = |errno: Errno| Error::host("bind the null device", PATH)(errno.into());
    let tree = bind::clone(Path::new(PATH), Extent::Mount).map_err(failed)?;
    let found = rustix::fs::fstat(&tree).map_err(failed)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice if found.st_rdev == sys::device::number(1, 3) => Ok(tree),
        _ => Err(failed(Errno::NODEV)),
    }
}

/// Whether a configuration asks for one of the usual nodes to be otherwise.
pub(super) fn changes_usual(linux: &Linux) -> bool {
    let usual = |path: &str| DEFAULT.iter().any(|(usual, ..)| *usual == path);
    linux.devices.iter().any(|device| usual(&device.path))
}

/// The nodes of a container; the usual ones may be `ready`.
pub(crate) fn plan(
    linux: &Linux,
    in_user_namespace: bool,
    ready: bool,
) -> Result<Vec<Device>, Error> {
    let mut planned = Vec::with_capacity(DEFAULT.len() + linux.devices.len());
    for (path, major, minor) in DEFAULT {
        if ready || linux.devices.iter().any(|device| device.path == path) {
            continue;
        }
        let device = Requested {
            kind: DeviceKind::Character,
            path: path.to_owned(),
            major: major.into(),
            minor: minor.into(),
            file_mode: Some(0o666),
            uid: None,
            gid: None,
        };
        planned.push(one("linux.devices", &device, in_user_namespace)?);
    }
    for (i, device) in linux.devices.iter().enumerate() {
        // It is a link into the container's own terminals.
        if device.path == "/dev/ptmx" {
            continue;
        }
        let field = format!("linux.devices[{i}]");
        planned.push(one(&field, device, in_user_namespace)?);
    }
    Ok(planned)
}

fn one(field: &str, device: &Requested, in_user_namespace: bool) -> Result<Device, Error> {
    let target = Target::plan(&format!("{field}.path"), &device.path)?;
    if target.parts.is_empty() {
        return Err(Error::invalid(format!("{field}.path"), "names no file"));
    }
    let part = |name: &str, value: i64| {
        let field = format!("{field}.{name}");
        u32::try_from(value).map_err(|_| Error::invalid(field, format!("{value} is out of range")))
    };
    let (kind, number) = match device.kind {
        DeviceKind::Fifo => (FileType::Fifo, 0),
        kind => {
            let number =
                sys::device::number(part("major", device.major)?, part("minor", device.minor)?);
            let block = kind == DeviceKind::Block;
            let kind = if block {
                FileType::BlockDevice
            } else {
                FileType::CharacterDevice
            };
            (kind, number)
        }
    };
    let owner = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
    let name = match device.path.strip_prefix("/dev/") {
        Some(name) if !name.contains('/') && !name.is_empty() => Some(c(field, name)?),
        _ => None,
    };
    let parent = device
        .path
        .rsplit_once('/')
        .map_or("/", |(parent, _)| parent);
    let directory = match name {
        Some(_) => None,
        None => Some(Target::plan(field, parent)?),
    };
    let host = if in_user_namespace && kind != FileType::Fifo {
        Some(host(field, &device.path)?)
    } else {
        None
    };
    Ok(Device {
        target,
        name,
        directory,
        kind,
        number,
        mode: device.file_mode.unwrap_or(0o666) & 0o7777,
        owner: (owner != (0, 0)).then_some(owner),
        host,
    })
}

fn host(field: &str, path: &str) -> Result<Tree, Error> {
    match bind::clone(Path::new(path), Extent::Mount) {
        Ok(tree) => Ok(Tree::Detached(tree)),
        Err(Errno::PERM) => Ok(Tree::Late(c(field, path)?, Extent::Mount)),
        Err(errno) => Err(Error::host("bind device", path)(errno.into())),
    }
}
