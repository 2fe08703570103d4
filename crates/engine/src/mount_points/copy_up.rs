//! What an image has where a volume is mounted goes into the volume, if that is empty.

use crate::context::Context;
use crate::{Error, MountPoint};
use container::files::{Access, Files};
use rustix::fs::{FileType, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use types::{ContainerId, Rootfs};
use unpack::{Detail, Pack, Place};
use volume::Name;

/// Fills the volumes of a container to be.
pub(crate) fn fill(
    id: &ContainerId,
    rootfs: &Rootfs,
    points: &[MountPoint],
    context: &Context,
) -> Result<(), Error> {
    if !points.iter().any(MountPoint::is_volume) {
        return Ok(());
    }
    let image = match rootfs {
        Rootfs::Layers { lower, .. } => Rootfs::Layers {
            lower: lower.clone(),
            writable: None,
        },
        rootfs => rootfs.clone(),
    };
    let files = Files::Stopped {
        rootfs: &image,
        parts: &[],
    };
    let tree = container::files::tree(&files, Access::Read).map_err(Error::files("mount", id))?;
    for point in points.iter().filter(|point| point.is_volume()) {
        let Some(name) = point.name.as_deref().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if !is_directory(&tree, point)? || !point.copy || !point.subpath.is_empty() {
            continue;
        }
        copy(&tree, &name, point, context)?;
    }
    Ok(())
}

/// Whether the image has a directory there; something else stands against the volume.
fn is_directory(tree: &OwnedFd, point: &MountPoint) -> Result<bool, Error> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = sys::resolve::open(tree, &*point.target, OFlags::PATH, resolve);
    let io = |error: Errno| Error::io("find in the image", point.target.as_ref())(error.into());
    let found = match found {
        Ok(found) => found,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        Err(error) => return Err(io(error)),
    };
    let mode = rustix::fs::fstat(&found).map_err(io)?.st_mode;
    match FileType::from_raw_mode(mode) {
        FileType::Directory => Ok(true),
        _ => Err(Error::invalid(
            "mount",
            format!("source {} is not directory", point.target),
        )),
    }
}

fn copy(tree: &OwnedFd, name: &Name, point: &MountPoint, context: &Context) -> Result<(), Error> {
    let failed = |source| Error::volume("fill", name)(source);
    if !context.volumes.is_empty(name).map_err(failed)? {
        return Ok(());
    }
    let target = context.volumes.files(name).map_err(failed)?;
    let pack = Pack {
        dir: point.target.clone(),
        rename: ".".to_owned(),
        detail: Detail::Copy,
        ..Pack::default()
    };
    let place = Place {
        describe_top: true,
        ..Place::default()
    };
    let worker = |source| Error::VolumeContents {
        name: name.clone(),
        source,
    };
    let tree = tree
        .try_clone()
        .map_err(Error::io("hold", point.target.as_ref()))?;
    let (read, write) =
        std::io::pipe().map_err(Error::io("make a pipe for", point.target.as_ref()))?;
    let placing = context
        .worker
        .place(read.into(), target, &place)
        .map_err(worker)?;
    let packing = context
        .worker
        .pack(tree, write.into(), &pack)
        .map_err(worker)?;
    packing.wait().map_err(worker)?;
    placing.wait().map_err(worker)?;
    Ok(())
}
