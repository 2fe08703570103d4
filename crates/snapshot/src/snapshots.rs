//! The writable parts of all containers.

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::{ContainerId, Layer, Paths, Rootfs, Writable};

use crate::error::Error;
use crate::snapshotter::Snapshotter;
use crate::usage::{self, Usage};

/// Overlay's two directories in a container's own.
const UPPER: &str = "upper";
const WORK: &str = "work";
/// What changed in a copy, while somebody reads it.
const GATHERED: &str = "changed";
/// Starts the name of what is being removed: no id has it.
const REMOVED: &str = "#";

/// Makes, measures and removes the directories under `ROOT/containers`.
#[derive(Debug)]
pub struct Snapshots {
    root: PathBuf,
    fd: OwnedFd,
    /// The layer below all images.
    skeleton: PathBuf,
    snapshotter: Snapshotter,
    last: Mutex<Option<Last>>,
}

/// What the next root will most probably be as: the one that was made last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Last {
    layers: Vec<Layer>,
    volatile: bool,
}

/// A container's root that was prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What is mounted.
    pub rootfs: Rootfs,
    /// The layers that it is a copy of, the topmost first; none if they are in it.
    pub copied: Vec<Layer>,
}

/// Something under `ROOT/containers` that a caller may not know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A container's directory.
    Container(ContainerId),
    /// A directory whose removal was interrupted: [`Snapshots::sweep`] ends it.
    Removed(PathBuf),
    /// A name that corten did not make.
    Foreign(PathBuf),
}

impl Snapshots {
    /// Opens `ROOT/containers`, and makes it if it is not there.
    pub fn open(paths: &Paths, snapshotter: Snapshotter) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let root = paths.containers();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(Error::io("create", &root))?;
        let fd = rustix::fs::open(&root, directory(), Mode::empty())
            .map_err(Error::io("open", &root))?;
        let skeleton = crate::skeleton::make(paths)?;
        Ok(Self {
            root,
            fd,
            skeleton,
            snapshotter,
            last: Mutex::default(),
        })
    }

    /// Makes the writable part of a container over `layers`, the topmost first. Below them is
    /// what every root has.
    ///
    /// The container's own directory may exist; nothing is mounted, and nothing synced:
    /// after a crash before the container's record is durable, it is a [`Leftover`]. `volatile` as
    /// in [`Writable`].
    pub fn prepare(
        &self,
        id: &ContainerId,
        layers: Vec<Layer>,
        volatile: bool,
    ) -> Result<Prepared, Error> {
        if layers.is_empty() {
            return Err(Error::NoLayer(id.clone()));
        }
        match self.snapshotter {
            Snapshotter::Erofs | Snapshotter::Overlay => {
                self.make(id)?;
                Ok(self.overlay(id, layers, volatile))
            }
            Snapshotter::Copy => self.copy(id, layers),
        }
    }

    /// Makes the writable part alone, for a container of which nothing else is known. A copy
    /// is not made ahead.
    pub fn prepare_ahead(&self, id: &ContainerId) -> Result<(), Error> {
        match self.snapshotter {
            Snapshotter::Erofs | Snapshotter::Overlay => self.make(id),
            Snapshotter::Copy => self.make_container(id).map(drop),
        }
    }

    /// As [`Self::prepare`], where [`Self::prepare_ahead`] was called; if that failed it is made
    /// now.
    pub fn take_prepared(
        &self,
        id: &ContainerId,
        layers: Vec<Layer>,
        volatile: bool,
    ) -> Result<Prepared, Error> {
        let has = |part: &str| {
            let path = Path::new(id.as_str()).join(part);
            rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        };
        // The last that is made.
        if layers.is_empty() || !has(WORK) {
            return self.prepare(id, layers, volatile);
        }
        Ok(self.overlay(id, layers, volatile))
    }

    /// The root that a container will most probably have for which [`Self::prepare_ahead`] was
    /// called: as the last one, over its layers.
    pub fn likely(&self, id: &ContainerId) -> Option<Rootfs> {
        let last = self.last().clone();
        last.map(|last| self.rootfs(id, last))
    }

    /// No root is likely any more; whether one was.
    pub fn forget_likely(&self) -> bool {
        self.last().take().is_some()
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overlay(&self, id: &ContainerId, mut layers: Vec<Layer>, volatile: bool) -> Prepared {
        layers.push(Layer::Directory(self.skeleton.clone()));
        let made = Last { layers, volatile };
        let mut last = self.last();
        if last.as_ref() != Some(&made) {
            *last = Some(made.clone());
        }
        drop(last);
        Prepared {
            rootfs: self.rootfs(id, made),
            copied: Vec::new(),
        }
    }

    fn rootfs(&self, id: &ContainerId, Last { layers, volatile }: Last) -> Rootfs {
        let dir = self.root.join(id);
        Rootfs::Layers {
            lower: layers,
            writable: Some(Writable {
                upper: dir.join(UPPER),
                work: dir.join(WORK),
                volatile,
            }),
        }
    }

    /// The copy stands where an overlay's written part would: all of it is the container's.
    fn copy(&self, id: &ContainerId, mut layers: Vec<Layer>) -> Result<Prepared, Error> {
        let own = self.make_container(id)?;
        let tree = self.root.join(id).join(UPPER);
        self.make_upper(id, &own)?;
        let fd = rustix::fs::openat(&own, UPPER, directory(), Mode::empty())
            .map_err(Error::io("open", &tree))?;
        layers.push(Layer::Directory(self.skeleton.clone()));
        crate::copy::layers(&layers, &fd, &tree)?;
        Ok(Prepared {
            rootfs: Rootfs::Directory(tree),
            copied: layers,
        })
    }

    fn make_container(&self, id: &ContainerId) -> Result<OwnedFd, Error> {
        match rustix::fs::mkdirat(&self.fd, id.as_ref() as &Path, mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => self.open_container(id),
            Err(error) => Err(Error::io("create", &self.root.join(id))(error)),
        }
    }

    fn make(&self, id: &ContainerId) -> Result<(), Error> {
        let own = self.make_container(id)?;
        self.make_upper(id, &own)?;
        match rustix::fs::mkdirat(&own, WORK, mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(Error::io("create", &self.root.join(id).join(WORK))(error)),
        }
    }

    fn make_upper(&self, id: &ContainerId, own: &OwnedFd) -> Result<(), Error> {
        let dir = self.root.join(id);
        match rustix::fs::mkdirat(own, UPPER, mode(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(Error::Exists(id.clone())),
            Err(error) => return Err(Error::io("create", &dir.join(UPPER))(error)),
        }
        // The process's umask is the daemon's business, the root's mode is the container's.
        rustix::fs::chmodat(own, UPPER, mode(0o755), AtFlags::empty())
            .map_err(Error::io("change the mode of", &dir.join(UPPER)))
    }

    /// What changed in a root that is a copy, as overlay would have written it: by paths, a
    /// directory before what is in it, and whether that is gone. It stays until
    /// [`Self::remove_gathered`].
    pub fn gather<'a>(
        &self,
        id: &ContainerId,
        changed: impl Iterator<Item = (&'a [u8], bool)>,
    ) -> Result<OwnedFd, Error> {
        let own = self.open_container(id)?;
        let path = self.root.join(id).join(GATHERED);
        remove(&own, OsStr::new(GATHERED), &path)?;
        crate::gather::gather(&own, (UPPER, GATHERED), changed).map_err(Error::io("gather", &path))
    }

    /// Removes what [`Self::gather`] made.
    pub fn remove_gathered(&self, id: &ContainerId) -> Result<(), Error> {
        let own = self.open_container(id)?;
        let path = self.root.join(id).join(GATHERED);
        remove(&own, OsStr::new(GATHERED), &path)
    }

    /// Removes a container's whole directory: writable part, log, exit record.
    ///
    /// It has no name any more when this begins to remove its contents, so that no reader
    /// meets a half. A container that has none is removed already. It must not be mounted.
    pub fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        let removed = format!("{REMOVED}{id}");
        match rustix::fs::renameat(&self.fd, id.as_ref() as &Path, &self.fd, removed.as_str()) {
            // An earlier removal was interrupted, and the id used again: end that one first.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                self.remove_entry(OsStr::new(&removed))?;
                return self.remove(id);
            }
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(Error::io("rename", &self.root.join(id))(error)),
        }
        self.remove_entry(OsStr::new(&removed))
    }

    /// Removes the writable part alone, and keeps log and exit record.
    pub fn remove_writable(&self, id: &ContainerId) -> Result<(), Error> {
        let own = match self.open_container(id) {
            Ok(own) => own,
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for part in [UPPER, WORK] {
            remove(&own, OsStr::new(part), &self.root.join(id).join(part))?;
        }
        Ok(())
    }

    /// What the container wrote.
    pub fn usage(&self, id: &ContainerId) -> Result<Usage, Error> {
        let own = self.open_container(id)?;
        usage::measure_in(&own, OsStr::new(UPPER), &self.root.join(id).join(UPPER))
    }

    /// Everything under `ROOT/containers`, in no order: for doctor and garbage collection.
    pub fn list(&self) -> Result<Vec<Leftover>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(Error::io("list", &self.root))? {
            let name = entry.map_err(Error::io("list", &self.root))?.file_name();
            let path = self.root.join(&name);
            found.push(match name.to_str() {
                Some(name) if name.starts_with(REMOVED) => Leftover::Removed(path),
                Some(name) => match name.parse() {
                    Ok(id) => Leftover::Container(id),
                    Err(_) => Leftover::Foreign(path),
                },
                None => Leftover::Foreign(path),
            });
        }
        Ok(found)
    }

    /// Ends the removals that a crash interrupted.
    pub fn sweep(&self) -> Result<(), Error> {
        for leftover in self.list()? {
            if let Leftover::Removed(path) = leftover {
                self.remove_entry(path.file_name().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn remove_entry(&self, name: &OsStr) -> Result<(), Error> {
        remove(&self.fd, name, &self.root.join(name))
    }

    fn open_container(&self, id: &ContainerId) -> Result<OwnedFd, Error> {
        rustix::fs::openat(&self.fd, id.as_ref() as &Path, directory(), Mode::empty())
            .map_err(Error::io("open", &self.root.join(id)))
    }
}

fn remove(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), Error> {
    let name = CString::new(name.as_bytes()).map_err(Error::io("remove", path))?;
    sys::removal::remove_tree(parent, &name).map_err(Error::io("remove", path))
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits)
}
