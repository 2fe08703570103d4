//! One directory in one hierarchy.

use crate::hierarchy::Version;
use crate::{Error, Hierarchy};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long removing is tried again while processes still leave.
const REMOVE_DEADLINE: Duration = Duration::from_secs(2);
/// The most that is read of one file.
const READ_MOST: usize = 1 << 20;

/// A group's directory in one hierarchy.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) version: Version,
    pub(crate) path: PathBuf,
    dir: OwnedFd,
    /// The file that processes join by, while it is open.
    door: OnceLock<OwnedFd>,
}

/// Whether a group was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Made,
    Found,
}

impl Group {
    /// Makes the group and those above it.
    pub(crate) fn create(hierarchy: &Hierarchy, path: &Path) -> Result<(Self, Origin), Error> {
        let mode = Mode::from_raw_mode(0o755);
        let origin = match fs::mkdir(path, mode) {
            Ok(()) => Origin::Made,
            Err(Errno::EXIST) => Origin::Found,
            Err(Errno::NOENT) => {
                std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
                Origin::Made
            }
            Err(errno) => return Err(Error::io("create", path)(errno)),
        };
        Ok((Self::open(hierarchy.version.clone(), path)?, origin))
    }

    /// Opens the group that is there.
    pub(crate) fn open(version: Version, path: &Path) -> Result<Self, Error> {
        // Not O_PATH: CLONE_INTO_CGROUP takes a readable directory.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::open(path, flags, Mode::empty()).map_err(Error::io("open", path))?;
        Ok(Self {
            version,
            path: path.to_owned(),
            dir,
            door: OnceLock::new(),
        })
    }

    /// Whether a controller is in this group's hierarchy; `""` is version 2.
    pub(crate) fn has(&self, controller: &str) -> bool {
        match &self.version {
            Version::V1(controllers) => controllers.iter().any(|known| known == controller),
            Version::V2 => controller.is_empty(),
        }
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The file that processes join by, open for writing until [`Self::close_door`].
    pub(crate) fn door(&self) -> Result<BorrowedFd<'_>, Error> {
        if let Some(door) = self.door.get() {
            return Ok(door.as_fd());
        }
        let file = match self.version {
            Version::V2 => "cgroup.procs",
            Version::V1(_) => "tasks",
        };
        let opened = self.open_file(file, OFlags::WRONLY);
        let opened = opened.map_err(Error::io("open", &self.path.join(file)))?;
        Ok(self.door.get_or_init(|| opened).as_fd())
    }

    pub(crate) fn close_door(&mut self) {
        self.door.take();
    }

    /// Writes a file of the group in one call.
    pub(crate) fn write(&self, file: &str, value: &str) -> Result<(), Error> {
        self.try_write(file, value).map_err(|errno| Error::Write {
            value: value.trim_end().to_owned(),
            path: self.path.join(file),
            source: errno.into(),
        })
    }

    pub(crate) fn try_write(&self, file: &str, value: &str) -> Result<(), Errno> {
        let fd = self.open_file(file, OFlags::WRONLY)?;
        loop {
            match rustix::io::write(&fd, value.as_bytes()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Makes the directory and those of its files a user's that the kernel says to.
    pub(crate) fn give(&self, user: u32) -> Result<(), Error> {
        const USUAL: &str = "cgroup.procs cgroup.subtree_control cgroup.threads";
        let files = std::fs::read_to_string("/sys/kernel/cgroup/delegate");
        let files = files.unwrap_or_else(|_| USUAL.to_owned());
        const ACTION: &str = "change the owner of";
        std::os::unix::fs::chown(&self.path, Some(user), None)
            .map_err(Error::io(ACTION, &self.path))?;
        for file in files.split_whitespace() {
            let path = self.path.join(file);
            match std::os::unix::fs::chown(&path, Some(user), None) {
                // Not every controller is everywhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                given => given.map_err(Error::io(ACTION, &path))?,
            }
        }
        Ok(())
    }

    /// Opens a file of the group.
    pub(crate) fn open_file(&self, file: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        fs::openat(&self.dir, file, flags | OFlags::CLOEXEC, Mode::empty())
    }

    /// Reads a file of the group; a missing one is an error.
    pub(crate) fn read(&self, file: &str) -> Result<String, Error> {
        self.try_read(file)
            .map_err(|source| Error::io("read", &self.path.join(file))(source))
    }

    /// Reads a file of the group; `None` if this kernel has no such file, or the group is gone.
    pub(crate) fn find(&self, file: &str) -> Result<Option<String>, Error> {
        match self.try_read(file) {
            Ok(text) => Ok(Some(text)),
            Err(source) if gone(&source) => Ok(None),
            // Files of this kind are there and answer so when the feature is off.
            Err(source) if source.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
                Ok(None)
            }
            Err(source) => Err(Error::io("read", &self.path.join(file))(source)),
        }
    }

    pub(crate) fn try_read(&self, file: &str) -> io::Result<String> {
        let fd = self.open_file(file, OFlags::RDONLY)?;
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        while bytes.len() < READ_MOST {
            match rustix::io::read(&fd, &mut chunk) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Adds the processes of this group and of those below it.
    pub(crate) fn collect_pids(&self, pids: &mut Vec<i32>) -> Result<(), Error> {
        collect_pids(&self.path, pids)
    }

    /// A group that was there before must be nobody's.
    pub(crate) fn expect_unused(&self) -> Result<(), Error> {
        self.expect_thawed()?;
        let mut pids = Vec::new();
        self.collect_pids(&mut pids)?;
        match pids.len() {
            0 => Ok(()),
            count => Err(Error::NotEmpty {
                path: self.path.clone(),
                count,
            }),
        }
    }

    /// Whatever joined a frozen group would hang.
    fn expect_thawed(&self) -> Result<(), Error> {
        let frozen = match self.version {
            Version::V2 => self
                .find("cgroup.freeze")?
                .is_some_and(|text| text.starts_with('1')),
            Version::V1(_) if self.has("freezer") => {
                !self.read("freezer.state")?.starts_with("THAWED")
            }
            Version::V1(_) => false,
        };
        if frozen {
            return Err(Error::Frozen {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// Removes the group and those below it; it is no error if there is none.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        remove(&self.path)
    }
}

/// Removes a group and those below it.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let deadline = Instant::now() + REMOVE_DEADLINE;
    let mut pause = Duration::from_micros(100);
    loop {
        match fs::unlinkat(fs::CWD, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) if Instant::now() < deadline => {}
            Err(errno) => return Err(Error::io("remove", path)(errno)),
        }
        for child in children(path) {
            remove(&child)?;
        }
        // A process that was waited for can still be counted for a moment.
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Whether a file could not be opened, read or written because its group was removed: before
/// it was opened, or after.
pub(crate) fn gone(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NODEV))
}

fn collect_pids(path: &Path, pids: &mut Vec<i32>) -> Result<(), Error> {
    let file = path.join("cgroup.procs");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        // A threaded group has no processes of its own.
        Err(source) if source.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
            let file = path.join("cgroup.threads");
            std::fs::read_to_string(&file).map_err(Error::io("read", &file))?
        }
        Err(source) if gone(&source) => return Ok(()),
        Err(source) => return Err(Error::io("read", &file)(source)),
    };
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for child in children(path) {
        collect_pids(&child, pids)?;
    }
    Ok(())
}

/// The groups right below one.
fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
