//! The ways to keep layers and to make roots of them, and which of them works where.

use erofs::{Bounds, Metadata, Writer};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;

/// How layers are kept, and how containers' roots are made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshotter {
    /// A layer is one EROFS image, a root an overlay of their mounts.
    Erofs,
    /// A layer is a tree of files, a root an overlay of them.
    Overlay,
    /// A layer is a tree of files, a root a copy of all of them.
    Copy,
}

impl Snapshotter {
    /// The best first.
    pub const ALL: [Self; 3] = [Self::Erofs, Self::Overlay, Self::Copy];

    /// As in settings and documents. COMPAT: the last two are Docker's names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Erofs => "erofs",
            Self::Overlay => "overlay2",
            Self::Copy => "vfs",
        }
    }

    /// The first that works in this directory.
    pub fn probe(root: &Path) -> Self {
        let works = |snapshotter: &Self| match snapshotter {
            Self::Erofs => mounts_images(root).is_ok(),
            Self::Overlay => mounts_overlays(root).is_ok(),
            Self::Copy => true,
        };
        Self::ALL.into_iter().find(works).unwrap_or(Self::Copy)
    }
}

impl fmt::Display for Snapshotter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Snapshotter {
    type Err = UnknownSnapshotter;

    fn from_str(name: &str) -> Result<Self, UnknownSnapshotter> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| UnknownSnapshotter(name.to_owned()))
    }
}

/// A name that no snapshotter has.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no storage driver: there are erofs, overlay2 and vfs")]
pub struct UnknownSnapshotter(String);

fn mounts_images(root: &Path) -> io::Result<()> {
    let path = root.join("draft-probe.erofs");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    let bounds = Bounds { names: 1, depth: 1 };
    let mut image = Writer::new(file, bounds);
    let made = image.directory(b"/", Metadata::default());
    let made = made.and_then(|()| image.finish());
    let mounted = match made {
        Ok(_) => sys::mount::erofs(&path).map_err(io::Error::from).map(drop),
        Err(error) => Err(io::Error::other(error)),
    };
    fs::remove_file(&path)?;
    mounted
}

fn mounts_overlays(root: &Path) -> io::Result<()> {
    let dir = root.join("draft-probe");
    let parts = ["lower", "upper", "work"].map(|part| dir.join(part));
    for part in &parts {
        fs::create_dir_all(part)?;
    }
    let [lower, upper, work] = &parts;
    let mounted = overlay(lower, upper, work).map_err(io::Error::from);
    fs::remove_dir_all(&dir)?;
    mounted
}

fn overlay(lower: &Path, upper: &Path, work: &Path) -> Result<(), Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, path) in [("lowerdir", lower), ("upperdir", upper), ("workdir", work)] {
        fsconfig_set_string(context.as_fd(), key, path)?;
    }
    if sys::overlay::has_user_marks() {
        fsconfig_set_flag(context.as_fd(), "userxattr")?;
    }
    fsconfig_create(context.as_fd())?;
    let (flags, attributes) = (FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
    fsmount(context.as_fd(), flags, attributes).map(drop)
}
