//! Learning that a log has grown or moved up.

use crate::Error;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

/// A descriptor that can be read once a log's files have changed.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    pub(crate) fn of(path: &Path) -> Result<Self, Error> {
        let changes = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        Self::on(path, changes)
    }

    /// Reports only that the log's files moved up.
    ///
    /// # Errors
    /// If inotify is not to be had.
    pub fn of_rotations(config: &crate::JsonFile) -> Result<Self, Error> {
        Self::on(&config.path, WatchFlags::MOVED_TO)
    }

    fn on(path: &Path, changes: WatchFlags) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let watch = || -> Result<OwnedFd, Errno> {
            let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            inotify::add_watch(&watch, folder, changes)?;
            Ok(watch)
        };
        watch().map(Self).map_err(Error::io("watch", path))
    }

    /// Forgets the changes reported until now.
    ///
    /// # Errors
    /// If the descriptor cannot be read.
    pub fn clear(&self) -> Result<(), Error> {
        let mut events = [0; 4096];
        loop {
            match rustix::io::read(&self.0, &mut events) {
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(Error::io("watch", Path::new("inotify"))(error)),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
