//! The shim's executable, held so that no container can change it.

use crate::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The most of a command line that is looked at: a path, and a few words.
const LINE: usize = 8 << 10;

/// The file as [`sys::seal`] holds it. Its pages are the page cache's where they can be, shared
/// by all shims and clean.
#[derive(Debug)]
pub(crate) struct Executable(OwnedFd);

/// The run directory of the shim that is the process `pid`; `None` if that is no shim.
pub(crate) fn directory(pid: i32) -> Option<PathBuf> {
    let mut line = [0; LINE];
    let mut file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let length = file.read(&mut line).ok()?;
    let mut words = line.get(..length)?.split(|byte| *byte == 0);
    if words.next()? != b"corten-shim" {
        return None;
    }
    words.find(|word| *word == b"--directory")?;
    Some(OsStr::from_bytes(words.next()?).into())
}

impl Executable {
    /// Holds `file`.
    pub(crate) fn prepare(file: &Path) -> Result<Self, Error> {
        let held = sys::seal::hold(file);
        held.map(Self).map_err(Error::io("hold the shim", file))
    }

    /// A path to it for a child of this process.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}
