//! The volumes' directories.

use crate::{Error, Local, Name, mount};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use types::Paths;

/// Where in a volume's directory its files are.
const DATA: &str = "_data";
/// Starts the name of what is being removed: no volume has it.
const REMOVED: &str = "#";

/// Makes, mounts and removes the directories under `ROOT/volumes`.
#[derive(Debug)]
pub struct Volumes {
    root: PathBuf,
    fd: OwnedFd,
}

/// Something under `ROOT/volumes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A volume's directory.
    Volume(Name),
    /// A directory whose removal was interrupted: of the volume of this name.
    Removed(Name),
    /// A name that corten did not make.
    Foreign(PathBuf),
}

impl Volumes {
    /// Opens `ROOT/volumes`, and makes it if it is not there.
    ///
    /// # Errors
    /// If it cannot be made or opened.
    pub fn open(paths: &Paths) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let root = paths.volumes();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o701)
            .create(&root)
            .map_err(Error::io("create", &root))?;
        let fd = rustix::fs::open(&root, directory(), Mode::empty())
            .map_err(Error::io("open", &root))?;
        Ok(Self { root, fd })
    }

    /// Where a volume's files are.
    pub fn path(&self, name: &Name) -> PathBuf {
        self.root.join(name.as_str()).join(DATA)
    }

    /// A volume's files, open as a directory.
    ///
    /// # Errors
    /// If it is not there.
    pub fn files(&self, name: &Name) -> Result<OwnedFd, Error> {
        let path = self.path(name);
        rustix::fs::open(&path, directory(), Mode::empty()).map_err(Error::io("open", &path))
    }

    /// Makes a volume's directory, if it is not there. One that is keeps its files.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self, name: &Name) -> Result<(), Error> {
        let dir = self.root.join(name.as_str());
        match rustix::fs::mkdirat(&self.fd, name.as_str(), Mode::from_raw_mode(0o701)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::io("create", &dir)(error)),
        }
        let own = rustix::fs::openat(&self.fd, name.as_str(), directory(), Mode::empty())
            .map_err(Error::io("open", &dir))?;
        let path = dir.join(DATA);
        match rustix::fs::mkdirat(&own, DATA, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(()),
            Err(error) => return Err(Error::io("create", &path)(error)),
        }
        // The process's umask is the daemon's business.
        for (fd, name, mode) in [(&self.fd, name.as_str(), 0o701), (&own, DATA, 0o755)] {
            rustix::fs::chmodat(fd, name, Mode::from_raw_mode(mode), AtFlags::empty())
                .map_err(Error::io("change the mode of", &path))?;
        }
        rustix::fs::fsync(&self.fd).map_err(Error::io("sync", &self.root))
    }

    /// Takes a volume's name away, as the first step of its removal; [`Self::restore`] gives
    /// it back, [`Self::discard`] is the second.
    ///
    /// # Errors
    /// If its file system cannot be unmounted, or it cannot be renamed.
    pub fn retire(&self, name: &Name) -> Result<(), Error> {
        self.unmount(name)?;
        let removed = removed(name);
        match rustix::fs::renameat(&self.fd, name.as_str(), &self.fd, &removed) {
            // An earlier removal was interrupted, and the name used again: end that one first.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                self.discard(name)?;
                self.retire(name)
            }
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::io("rename", &self.root.join(name.as_str()))(error)),
        }
    }

    /// Undoes [`Self::retire`].
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn restore(&self, name: &Name) -> Result<(), Error> {
        let removed = removed(name);
        match rustix::fs::renameat(&self.fd, &removed, &self.fd, name.as_str()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::io("rename", &self.root.join(removed))(error)),
        }
    }

    /// Removes the files of a volume that has no name any more.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn discard(&self, name: &Name) -> Result<(), Error> {
        let removed = removed(name);
        let path = self.root.join(&removed);
        let entry = CString::new(removed).map_err(Error::io("remove", &path))?;
        sys::removal::remove_tree(&self.fd, &entry).map_err(Error::io("remove", &path))
    }

    /// Mounts what the options name on the volume's directory; once is enough.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mount(&self, name: &Name, local: &Local) -> Result<(), Error> {
        match self.is_mounted(name)? {
            true => Ok(()),
            false => mount::mount(local, &self.path(name)),
        }
    }

    /// Takes what is mounted on the volume's directory away.
    ///
    /// # Errors
    /// If it cannot be unmounted.
    pub fn unmount(&self, name: &Name) -> Result<(), Error> {
        while self.is_mounted(name)? {
            mount::unmount(&self.path(name))?;
        }
        Ok(())
    }

    /// Whether something is mounted on the volume's directory.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub fn is_mounted(&self, name: &Name) -> Result<bool, Error> {
        let path = self.path(name);
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        match rustix::fs::statx(rustix::fs::CWD, &path, flags, StatxFlags::TYPE) {
            Ok(found) => Ok(found
                .stx_attributes
                .contains(rustix::fs::StatxAttributes::MOUNT_ROOT)),
            Err(Errno::NOENT) => Ok(false),
            // A dead server's file system is mounted all the same.
            Err(Errno::STALE | Errno::NOTCONN | Errno::HOSTDOWN | Errno::IO) => Ok(true),
            Err(error) => Err(Error::io("look at", &path)(error)),
        }
    }

    /// Whether nothing is in a volume.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_empty(&self, name: &Name) -> Result<bool, Error> {
        let path = self.path(name);
        let mut entries = fs::read_dir(&path).map_err(Error::io("list", &path))?;
        Ok(entries.next().is_none())
    }

    /// Everything under `ROOT/volumes`, in no order.
    ///
    /// # Errors
    /// If it cannot be listed.
    pub fn list(&self) -> Result<Vec<Leftover>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(Error::io("list", &self.root))? {
            let name = entry.map_err(Error::io("list", &self.root))?.file_name();
            found.push(classify(&self.root, &name));
        }
        Ok(found)
    }
}

fn classify(root: &Path, name: &OsStr) -> Leftover {
    let text = String::from_utf8_lossy(name.as_bytes());
    let parsed = match text.strip_prefix(REMOVED) {
        Some(rest) => rest.parse().map(Leftover::Removed),
        None => text.parse().map(Leftover::Volume),
    };
    parsed.unwrap_or_else(|_| Leftover::Foreign(root.join(name)))
}

fn removed(name: &Name) -> String {
    format!("{REMOVED}{name}")
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
