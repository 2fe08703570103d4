//! What is at a path in a container.

use crate::{ContainerRecord, Error};
use rustix::fs::{AtFlags, FileType, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use unpack::Pack;

/// Links that are followed at most.
const LINKS: usize = 255;

/// What is at a path in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// The last part of the path.
    pub name: String,
    /// Its size in bytes.
    pub size: i64,
    /// Its type and mode, as Linux has them.
    pub mode: u32,
    /// Seconds and nanoseconds of its last change.
    pub modified: (i64, u32),
    /// Where a link leads to in the container, as far as that is there.
    pub link_target: String,
}

/// The path from the root, without dots; a slash or dot at its end stays.
fn absolute(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let clean = format!("/{}", names.join("/"));
    match path {
        _ if clean == "/" => clean,
        path if path.ends_with("/.") => format!("{clean}/."),
        path if path.ends_with('/') => format!("{clean}/"),
        _ => clean,
    }
}

fn open(tree: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    sys::resolve::open(tree, path, OFlags::PATH | flags, resolve)
}

fn look(tree: &OwnedFd, path: &str) -> Result<Stat, Errno> {
    let found = open(tree, path, OFlags::NOFOLLOW)?;
    rustix::fs::fstat(&found)
}

/// What is at `path`.
pub(super) fn of(tree: &OwnedFd, path: &str) -> Result<PathStat, Error> {
    let absolute = absolute(path);
    let stat = look(tree, &absolute).map_err(Error::path(path, &absolute))?;
    let link_target = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => follow(tree, &absolute).map_err(Error::path(path, &absolute))?,
        _ => String::new(),
    };
    Ok(PathStat {
        name: base(&absolute).to_owned(),
        size: stat.st_size,
        mode: stat.st_mode,
        modified: (
            stat.st_mtime,
            u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        ),
        link_target,
    })
}

/// The last part of a path.
fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, last)) => last,
        None => "/",
    }
}

/// Where a link leads to, as a path in the tree; what is not there stays as it is written.
fn follow(tree: &OwnedFd, path: &str) -> Result<String, Errno> {
    let mut way: Vec<String> = Vec::new();
    let mut pending: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut followed = 0;
    while let Some(name) = pending.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                way.pop();
                continue;
            }
            _ => way.push(name),
        }
        let at = format!("/{}", way.join("/"));
        let is_link = look(tree, &at)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if !is_link {
            continue;
        }
        followed += 1;
        if followed > LINKS {
            return Err(Errno::LOOP);
        }
        let link = open(tree, &at, OFlags::NOFOLLOW)?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new())?;
        let target = target.to_string_lossy().into_owned();
        way.pop();
        if target.starts_with('/') {
            way.clear();
        }
        pending.extend(target.split('/').rev().map(str::to_owned));
    }
    Ok(format!("/{}", way.join("/")))
}

/// What the worker is to pack.
pub(super) fn order(path: &str, found: &PathStat) -> Pack {
    let absolute = absolute(path);
    if FileType::from_raw_mode(found.mode) == FileType::Directory {
        return Pack {
            dir: absolute,
            rename: found.name.clone(),
            ..Pack::default()
        };
    }
    let (dir, name) = absolute.rsplit_once('/').unwrap_or(("", &absolute));
    Pack {
        dir: format!("{dir}/"),
        name: name.to_owned(),
        rename: found.name.clone(),
        ..Pack::default()
    }
}

/// Whether an archive can be placed there.
pub(super) fn check_target(
    tree: &OwnedFd,
    path: &str,
    record: &ContainerRecord,
) -> Result<(), Error> {
    let absolute = absolute(path);
    let failed = || Error::path(path, &absolute);
    let place = open(tree, &absolute, OFlags::empty()).map_err(failed())?;
    let stat = rustix::fs::fstat(&place).map_err(failed())?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        let reason = "extraction point is not a directory";
        return Err(Error::invalid("path", reason));
    }
    let in_root = mount_of(&place).map_err(failed())? == mount_of(tree).map_err(failed())?;
    let read_only = rustix::fs::fstatvfs(&place)
        .map_err(failed())?
        .f_flag
        .contains(rustix::fs::StatVfsMountFlags::RDONLY);
    match in_root {
        true if record.spec.read_only_root || read_only => {
            Err(Error::ReadOnly("container rootfs is marked read-only"))
        }
        false if read_only => Err(Error::ReadOnly("mounted volume is marked read-only")),
        _ => Ok(()),
    }
}

fn mount_of(fd: &OwnedFd) -> Result<u64, Errno> {
    let flags = rustix::fs::StatxFlags::MNT_ID;
    Ok(rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, flags)?.stx_mnt_id)
}
