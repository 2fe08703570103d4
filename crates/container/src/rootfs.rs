//! A root file system out of layers: an overlay that is mounted nowhere.
//!
//! Each EROFS image is mounted detached from its file, the overlay over them too; only
//! descriptors hold them, until the child attaches the overlay in its own mount namespace.

use crate::Error;
use crate::users;
use oci::runtime::{IdMapping, IdMaps};
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::feature::Feature;
use sys::mount::{Change, Extent, Propagation, attribute, set_attributes};
use sys::namespace::{Kind, unshare};
use types::{Layer, Writable};

/// An overlay, and what it is made of.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// The root.
    pub(crate) tree: OwnedFd,
    /// Mounts of layers that nobody needs once the overlay is there. Closing one waits for an
    /// RCU grace period, so they are kept until there is time for it.
    pub(crate) spent: Vec<OwnedFd>,
}

/// One layer as overlay is told of it.
enum Lower {
    Path(PathBuf),
    Mount(OwnedFd),
}

/// Mounts the overlay of these layers, the topmost first; in a user namespace they are seen
/// through its maps.
pub(crate) fn mount(
    lower: &[Layer],
    writable: Option<&Writable>,
    maps: Option<&IdMaps>,
) -> Result<Mounted, Error> {
    if lower.is_empty() {
        return Err(Error::invalid("rootfs.layers.lower", "is empty"));
    }
    let userns = maps.map(users::namespace_of).transpose()?;
    let userns = userns.as_ref().map(AsFd::as_fd);
    if let (None, [single]) = (writable, lower) {
        // Overlay wants two layers; one that is never written needs no overlay.
        return Ok(Mounted {
            tree: layer(single, userns)?,
            spent: Vec::new(),
        });
    }
    let mut layers = Vec::with_capacity(lower.len());
    for lower in lower {
        layers.push(match lower {
            Layer::Directory(path) if userns.is_none() => Lower::Path(path.clone()),
            lower => Lower::Mount(layer(lower, userns)?),
        });
    }
    let upper = writable.map(|writable| Upper::of(writable, maps));
    let mut upper = upper.transpose()?;
    let mut made = overlay(&layers, upper.as_ref());
    if made.is_err()
        && let Some(upper) = upper.as_mut().filter(|upper| upper.volatile)
    {
        // Before Linux 5.10, and while the disk has an error that nobody has heard of.
        upper.volatile = false;
        made = overlay(&layers, Some(upper));
    }
    let tree = made?;
    let spent = layers.into_iter().filter_map(|lower| match lower {
        Lower::Mount(mount) => Some(mount),
        Lower::Path(_) => None,
    });
    Ok(Mounted {
        tree,
        spent: spent.chain(upper.and_then(|upper| upper.mount)).collect(),
    })
}

/// The writable part as overlay is told of it. On disk ids are as the container has them, so that
/// whoever reads it needs no map, and the next start may have another.
struct Upper {
    /// A mount of both directories through the container's maps, if it has some.
    mount: Option<OwnedFd>,
    dir: PathBuf,
    work: PathBuf,
    /// As [`Writable::volatile`].
    volatile: bool,
}

/// What is on disk where overlay works as the host's root, in its own directory: no map of a
/// container names it, and it cannot be seen inside.
const OVERLAYS_OWN: u32 = u32::MAX - 1;

impl Upper {
    fn of(writable: &Writable, maps: Option<&IdMaps>) -> Result<Self, Error> {
        let volatile = writable.volatile;
        // Whoever has a part with that mark mounted again is us, on a machine that has run since.
        sys::overlay::forget_volatile(&writable.work);
        let Some(maps) = maps else {
            return Ok(Self {
                mount: None,
                dir: writable.upper.clone(),
                work: writable.work.clone(),
                volatile,
            });
        };
        let (Some((above, upper)), Some((beside, work))) =
            (split(&writable.upper), split(&writable.work))
        else {
            return Err(Error::invalid("rootfs.layers.writable", "is no directory"));
        };
        if above != beside {
            let reason = "with maps of ids, upper and work are in one directory";
            return Err(Error::invalid("rootfs.layers.writable", reason));
        }
        let with_own = |maps: &[IdMapping]| {
            let own = IdMapping {
                container_id: OVERLAYS_OWN,
                host_id: 0,
                size: 1,
            };
            maps.iter().copied().chain([own]).collect()
        };
        let maps = IdMaps {
            uids: with_own(&maps.uids),
            gids: with_own(&maps.gids),
        };
        let tree = shifted(above, Some(&maps))?;
        let place = named(&tree);
        Ok(Self {
            mount: Some(tree),
            dir: place.join(upper),
            work: place.join(work),
            volatile,
        })
    }
}

fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

/// Where this process finds what its descriptors lead to.
const FDS: &str = "/proc/self/fd";

fn named(fd: &OwnedFd) -> PathBuf {
    Path::new(FDS).join(fd.as_raw_fd().to_string())
}

/// A directory through these maps.
pub(crate) fn shifted(path: &Path, maps: Option<&IdMaps>) -> Result<OwnedFd, Error> {
    let tree = open_tree(CWD, path, crate::plan::clone_flags(Extent::Mount))
        .map_err(|errno| Error::host("open", path)(errno.into()))?;
    let userns = maps.map(users::namespace_of).transpose()?;
    map(tree, path, userns.as_ref().map(AsFd::as_fd))
}

fn layer(layer: &Layer, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
    let (tree, path) = match layer {
        Layer::Erofs(path) => (erofs(path)?, path),
        Layer::Directory(path) => (directory(path)?, path),
    };
    map(tree, path, userns)
}

fn map(tree: OwnedFd, path: &Path, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
    if let Some(userns) = userns {
        crate::plan::map_ids(tree.as_fd(), path, (userns, Extent::Mount))?;
    }
    Ok(tree)
}

fn directory(path: &Path) -> Result<OwnedFd, Error> {
    let tree = open_tree(CWD, path, crate::plan::clone_flags(Extent::Mount))
        .map_err(|errno| Error::host("open layer", path)(errno.into()))?;
    // As a mount of an image is.
    let change = Change {
        set: attribute::RDONLY | attribute::NODEV,
        ..Change::default()
    };
    set_attributes(tree.as_fd(), c"", &change, Extent::Mount)
        .map_err(Error::host("make read-only layer", path))?;
    Ok(tree)
}

fn erofs(path: &Path) -> Result<OwnedFd, Error> {
    sys::mount::erofs(path).map_err(|errno| {
        let source = io::Error::from(errno);
        let feature = match errno {
            Errno::NODEV => Some(Feature::Erofs),
            Errno::NOTBLK => Some(Feature::ErofsFile),
            _ => None,
        };
        match feature {
            Some(feature) => Error::KernelTooOld {
                field: format!("layer {}", path.display()),
                feature,
            },
            None => Error::host("mount layer", path)(source),
        }
    })
}

fn overlay(layers: &[Lower], upper: Option<&Upper>) -> Result<OwnedFd, Error> {
    let told = || {
        let made = overlay_by(one_by_one, layers, upper);
        match is_invalid(&made) {
            // Before Linux 6.5 an option of any name is taken, and all are refused at the end.
            true => overlay_by_numbers(layers, upper),
            false => made,
        }
    };
    let mounts = layers.iter().filter_map(Lower::mount);
    let mounts = mounts.chain(upper.and_then(|upper| Some(upper.mount.as_ref()?.as_fd())));
    let mounts: Vec<_> = mounts.collect();
    let made = told();
    match is_invalid(&made) && !mounts.is_empty() {
        // Before Linux 6.15 a layer must be in the caller's mount namespace.
        true => attached(&mounts, told),
        false => made,
    }
}

fn is_invalid(made: &Result<OwnedFd, Error>) -> bool {
    matches!(made, Err(Error::Host { source, .. }) if source.raw_os_error() == Some(libc::EINVAL))
}

/// Makes an overlay in a mount namespace that has its layers, for as long as that takes: the
/// overlay keeps clones of them.
fn attached(
    mounts: &[BorrowedFd<'_>],
    make: impl FnOnce() -> Result<OwnedFd, Error> + Send,
) -> Result<OwnedFd, Error> {
    let host = |action| move |source: io::Error| Error::host(action, Path::new("/"))(source);
    in_thread(|| {
        unshare(Kind::Mount.flag()).map_err(host("make a mount namespace beside"))?;
        let private = Change {
            propagation: Some(Propagation::Private),
            ..Change::default()
        };
        set_attributes(CWD, c"/", &private, Extent::Tree).map_err(host("cut mounts off from"))?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        for mount in mounts {
            move_mount(mount, c"", CWD, c"/", flags)
                .map_err(|errno| host("attach a layer at")(errno.into()))?;
        }
        make()
    })
}

/// Makes an overlay in a thread of its own: what the thread leaves is all that changes.
fn in_thread(make: impl FnOnce() -> Result<OwnedFd, Error> + Send) -> Result<OwnedFd, Error> {
    std::thread::scope(|scope| {
        let ended = scope.spawn(make).join();
        let panicked = || Error::process("mount overlay")(io::ErrorKind::Other.into());
        ended.unwrap_or_else(|_| Err(panicked()))
    })
}

/// Before Linux 6.5 all layers are one option, of 255 bytes at most: enough for about 80 of them
/// by the numbers of descriptors, seen from where procfs lists those.
fn overlay_by_numbers(layers: &[Lower], upper: Option<&Upper>) -> Result<OwnedFd, Error> {
    let layers = opened(layers)?;
    in_thread(|| {
        let go = || {
            sys::directory::unshare()?;
            rustix::process::chdir(FDS).map_err(io::Error::from)
        };
        go().map_err(Error::host("go to", FDS))?;
        overlay_by(together, &layers, upper)
    })
}

/// What an overlay never does, whatever the host's own choice for overlays is.
const POLICY: [(&str, &str); 3] = [
    // As Docker: without an index hard links may break on copy-up, but layers can be shared.
    ("index", "off"),
    // A writable part with metadata alone, or with directories that are elsewhere, is no layer:
    // it could not be committed, and who writes such marks reads any file of the lower layers.
    ("metacopy", "off"),
    ("redirect_dir", "nofollow"),
];

/// How layers are told.
type Telling = fn(BorrowedFd<'_>, &[Lower]) -> Result<(), Errno>;

fn overlay_by(tell: Telling, layers: &[Lower], upper: Option<&Upper>) -> Result<OwnedFd, Error> {
    let name = || upper.map_or(Path::new("overlay"), |upper| &upper.dir);
    let failed = |action| move |errno: Errno| Error::host(action, name())(errno.into());
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(failed("open file system overlay for"))?;
    fsconfig_set_string(context.as_fd(), "source", "overlay").map_err(failed("name overlay of"))?;
    tell(context.as_fd(), layers).map_err(failed("set layers of overlay"))?;
    if let Some(upper) = upper {
        for (key, path) in [("upperdir", &upper.dir), ("workdir", &upper.work)] {
            fsconfig_set_string(context.as_fd(), key, path).map_err(|errno| {
                Error::host("use as overlay's writable part", path)(errno.into())
            })?;
        }
        if upper.volatile {
            fsconfig_set_flag(context.as_fd(), "volatile")
                .map_err(failed("leave changes in memory of overlay"))?;
        }
    }
    for (option, value) in POLICY {
        fsconfig_set_string(context.as_fd(), option, value)
            .map_err(failed("set the policy of overlay"))?;
    }
    if sys::overlay::has_user_marks() {
        fsconfig_set_flag(context.as_fd(), "userxattr")
            .map_err(failed("set where the marks are of overlay"))?;
    }
    fsconfig_create(context.as_fd()).map_err(failed("create overlay"))?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    fsmount(context.as_fd(), flags, MountAttrFlags::empty()).map_err(failed("mount overlay"))
}

/// The layers one by one (Linux 6.5), mounts by descriptor (6.13) or by their path in procfs.
fn one_by_one(context: BorrowedFd<'_>, layers: &[Lower]) -> Result<(), Errno> {
    for layer in layers {
        match layer {
            Lower::Mount(mount) => fsconfig_set_fd(context, "lowerdir+", mount.as_fd())
                .or_else(|_| fsconfig_set_string(context, "lowerdir+", layer.path()))?,
            Lower::Path(path) => fsconfig_set_string(context, "lowerdir+", path)?,
        }
    }
    Ok(())
}

/// The layers, each by a descriptor.
fn opened(layers: &[Lower]) -> Result<Vec<Lower>, Error> {
    let opened = layers.iter().map(|layer| {
        let path = layer.path();
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = open(&path, flags, Mode::empty());
        opened
            .map(Lower::Mount)
            .map_err(|errno| Error::host("open layer", &path)(errno.into()))
    });
    opened.collect()
}

/// All layers in one option, by their descriptors' numbers, in the directory of those.
fn together(context: BorrowedFd<'_>, layers: &[Lower]) -> Result<(), Errno> {
    let mounts = layers.iter().filter_map(Lower::mount);
    let numbers: Vec<_> = mounts.map(|mount| mount.as_raw_fd().to_string()).collect();
    fsconfig_set_string(context, "lowerdir", numbers.join(":"))
}

impl Lower {
    fn mount(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Mount(mount) => Some(mount.as_fd()),
            Self::Path(_) => None,
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Mount(mount) => named(mount),
        }
    }
}
