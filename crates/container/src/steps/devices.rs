//! Device nodes and the links of `/dev`.

use super::{Setup, mounts};
use crate::Error;
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::plan::{self, Device, LINKS, Tree};
use crate::target::{self, Links};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, chownat, mknodat, statat, symlinkat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    if !container.own_dev || container.ready_dev && container.devices.is_empty() {
        return Ok(());
    }
    let root = setup.root()?;
    let (_, dev) = target::place(root, &container.dev, FileType::Directory, Links::Refuse)?;
    for device in &container.devices {
        match &device.name {
            Some(name) => one(dev.as_fd(), name, device)?,
            None => {
                let (parent, name) = parent(root, device)?;
                one(parent.as_fd(), name, device)?;
            }
        }
    }
    links(dev.as_fd())
}

/// Makes the usual nodes and links in a `/dev` that is mounted nowhere yet.
pub(crate) fn usual(dev: BorrowedFd<'_>) -> Result<(), Error> {
    for device in plan::usual_devices()? {
        let Some(name) = &device.name else { continue };
        one(dev, name, &device).map_err(told)?;
    }
    links(dev).map_err(told)
}

fn told(fault: Fault<'_>) -> Error {
    Error::process(fault.action)(std::io::Error::from_raw_os_error(fault.errno))
}

fn links<'a>(dev: BorrowedFd<'_>) -> Result<(), Fault<'a>> {
    for (name, value) in LINKS {
        match symlinkat(value, dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).on("link in /dev", name),
        }
    }
    Ok(())
}

/// The directory of a device that is not directly in `/dev`, and its name in there.
fn parent<'a>(root: BorrowedFd<'_>, device: &'a Device) -> Result<(OwnedFd, &'a CStr), Fault<'a>> {
    let missing = || {
        Fault::new(
            "find the directory of",
            device.target.path.to_bytes(),
            Errno::NOENT,
        )
    };
    let directory = device.directory.as_ref().ok_or_else(missing)?;
    let (name, _) = device.target.parts.last().ok_or_else(missing)?;
    let (_, parent) = target::place(root, directory, FileType::Directory, Links::Follow)?;
    Ok((parent, name))
}

fn one<'a>(dir: BorrowedFd<'_>, name: &'a CStr, device: &'a Device) -> Result<(), Fault<'a>> {
    if let Some(host) = &device.host {
        return bound(dir, name, host);
    }
    let mode = Mode::from_raw_mode(device.mode);
    match mknodat(dir, name, device.kind, mode, device.number) {
        Err(Errno::EXIST) => return same(dir, name, device),
        made => made.on("make device", &device.target.path)?,
    }
    if let Some((uid, gid)) = device.owner {
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(uid),
            rustix::fs::Gid::from_raw(gid),
        );
        chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .on("set the owner of device", &device.target.path)?;
    }
    Ok(())
}

/// A node that is there must be the one that is wanted.
fn same<'a>(dir: BorrowedFd<'_>, name: &CStr, device: &'a Device) -> Result<(), Fault<'a>> {
    let path = &device.target.path;
    let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).on("look at device", path)?;
    let same =
        FileType::from_raw_mode(found.st_mode) == device.kind && found.st_rdev == device.number;
    if same || !Guard::Devices.holds() {
        return Ok(());
    }
    Err(Errno::EXIST).on("make device", path)
}

fn bound<'a>(dir: BorrowedFd<'_>, name: &'a CStr, host: &'a Tree) -> Result<(), Fault<'a>> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644))
        .on("make place for device", name)?;
    match host {
        Tree::Detached(tree) => mounts::move_to(tree.as_fd(), place.as_fd()),
        Tree::Late(path, extent) | Tree::Inside(path, extent) => {
            let tree = mounts::clone_now(path, *extent)?;
            mounts::move_to(tree.as_fd(), place.as_fd())
        }
    }
    .on("attach device", name)
}
