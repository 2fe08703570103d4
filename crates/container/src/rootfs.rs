//! A root file system out of layers: an overlay that is mounted nowhere.
//!
//! Each EROFS image is mounted detached from its file, the overlay over them too; only
//! descriptors hold them, until the child attaches the overlay in its own mount namespace.

use crate::Error;
use crate::users::{self, Maps};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::OsString;
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
    maps: Option<&Maps>,
) -> Result<Mounted, Error> {
    if lower.is_empty() {
        return Err(Error::invalid("rootfs.layers.lower", "is empty"));
    }
    let userns = maps
        .map(|maps| users::namespace_of(&maps.uids, &maps.gids))
        .transpose()?;
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
    let tree = overlay(&layers, writable, maps)?;
    let spent = layers.into_iter().filter_map(|lower| match lower {
        Lower::Mount(mount) => Some(mount),
        Lower::Path(_) => None,
    });
    Ok(Mounted {
        tree,
        spent: spent.collect(),
    })
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
        let change = Change {
            idmap: Some(userns),
            ..Change::default()
        };
        set_attributes(tree.as_fd(), c"", &change, Extent::Mount)
            .map_err(Error::host("map ids of layer", path))?;
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

fn overlay(
    layers: &[Lower],
    writable: Option<&Writable>,
    maps: Option<&Maps>,
) -> Result<OwnedFd, Error> {
    let told = || {
        let made = overlay_by(one_by_one, layers, (writable, maps));
        match is_invalid(&made) {
            // Before Linux 6.5 an option of any name is taken, and all are refused at the end.
            true => overlay_by(together, layers, (writable, maps)),
            false => made,
        }
    };
    let made = told();
    match is_invalid(&made) && layers.iter().any(|layer| layer.mount().is_some()) {
        // Before Linux 6.15 a layer must be in the caller's mount namespace.
        true => attached(layers, told),
        false => made,
    }
}

fn is_invalid(made: &Result<OwnedFd, Error>) -> bool {
    matches!(made, Err(Error::Host { source, .. }) if source.raw_os_error() == Some(libc::EINVAL))
}

/// Makes an overlay in a mount namespace that has its layers, for as long as that takes: the
/// overlay keeps clones of them.
fn attached(
    layers: &[Lower],
    make: impl FnOnce() -> Result<OwnedFd, Error> + Send,
) -> Result<OwnedFd, Error> {
    let host = |action| move |source: io::Error| Error::host(action, Path::new("/"))(source);
    let attach = || {
        unshare(Kind::Mount.flag()).map_err(host("make a mount namespace beside"))?;
        let private = Change {
            propagation: Some(Propagation::Private),
            ..Change::default()
        };
        set_attributes(CWD, c"/", &private, Extent::Tree).map_err(host("cut mounts off from"))?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        for mount in layers.iter().filter_map(Lower::mount) {
            move_mount(mount, c"", CWD, c"/", flags)
                .map_err(|errno| host("attach a layer at")(errno.into()))?;
        }
        make()
    };
    // Namespaces are a thread's, so a thread of its own is all that changes.
    std::thread::scope(|scope| {
        let ended = scope.spawn(attach).join();
        ended.unwrap_or_else(|_| Err(host("attach layers at")(io::ErrorKind::Other.into())))
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

fn overlay_by(
    tell: Telling,
    layers: &[Lower],
    (writable, maps): (Option<&Writable>, Option<&Maps>),
) -> Result<OwnedFd, Error> {
    let name = || writable.map_or(Path::new("overlay"), |writable| &writable.upper);
    let failed = |action| move |errno: Errno| Error::host(action, name())(errno.into());
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(failed("open file system overlay for"))?;
    fsconfig_set_string(context.as_fd(), "source", "overlay").map_err(failed("name overlay of"))?;
    tell(context.as_fd(), layers).map_err(failed("set layers of overlay"))?;
    if let Some(writable) = writable {
        writable_part(context.as_fd(), writable, maps)?;
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

/// All layers in one option, with colons escaped.
fn together(context: BorrowedFd<'_>, layers: &[Lower]) -> Result<(), Errno> {
    let mut all = OsString::new();
    for layer in layers {
        if !all.is_empty() {
            all.push(":");
        }
        let path = layer.path();
        all.push(path.to_string_lossy().replace(':', "\\:"));
    }
    fsconfig_set_string(context, "lowerdir", all)
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
            Self::Mount(mount) => Path::new("/proc/self/fd").join(mount.as_raw_fd().to_string()),
        }
    }
}

/// The writable part has the ids that the container's have on the host: overlay works in it with
/// our own, which the maps do not name. So its top belongs to the container's root.
fn writable_part(
    context: BorrowedFd<'_>,
    writable: &Writable,
    maps: Option<&Maps>,
) -> Result<(), Error> {
    for (key, path) in [("upperdir", &writable.upper), ("workdir", &writable.work)] {
        fsconfig_set_string(context, key, path)
            .map_err(|errno| Error::host("use as overlay's writable part", path)(errno.into()))?;
    }
    if let Some(maps) = maps {
        let (uid, gid) = maps.root();
        std::os::unix::fs::chown(&writable.upper, Some(uid), Some(gid))
            .map_err(Error::host("give to the container's root", &writable.upper))?;
    }
    Ok(())
}
