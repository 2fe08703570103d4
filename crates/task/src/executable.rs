//! The shim's executable, held so that no container can change it.

use crate::Error;
use rustix::fs::{CWD, MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use sys::mount::{Change, Extent, attribute, set_attributes};

/// The file through a read-only mount that is nowhere: what a container reaches as
/// `/proc/PID/exe` of a shim cannot be opened for writing, by nobody. Its pages are the page
/// cache's, shared by all shims and clean.
///
/// Where that cannot be made (no privilege, Linux before 5.12) a sealed copy in memory does.
#[derive(Debug)]
pub(crate) struct Executable(OwnedFd);

/// The run directory of the shim that has the command line `line`; `None` if it is no shim's.
pub(crate) fn directory(line: &[u8]) -> Option<PathBuf> {
    let mut words = line.split(|byte| *byte == 0);
    if words.next()? != b"corten-shim" {
        return None;
    }
    words.find(|word| *word == b"--directory")?;
    Some(OsStr::from_bytes(words.next()?).into())
}

impl Executable {
    /// Holds `file`.
    pub(crate) fn prepare(file: &Path) -> Result<Self, Error> {
        let held = mount(file).or_else(|_| copy(file));
        held.map(Self).map_err(Error::io("hold the shim", file))
    }

    /// A path to it for a child of this process.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

fn mount(file: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, file, flags)?;
    let change = Change {
        set: attribute::RDONLY,
        ..Change::default()
    };
    set_attributes(tree.as_fd(), c"", &change, Extent::Mount)?;
    Ok(tree)
}

fn copy(file: &Path) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut to = File::from(memfd_create("corten-shim", flags)?);
    io::copy(&mut File::open(file)?, &mut to)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&to, seals)?;
    Ok(to.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::process::Command;

    #[test]
    fn what_runs_cannot_be_opened_for_writing() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("sleep");
        fs::copy("/bin/sleep", &file).unwrap();
        for held in [mount, copy] {
            let Ok(held) = held(&file) else {
                println!("skipped: needs CAP_SYS_ADMIN for a detached mount");
                continue;
            };
            let executable = Executable(held);
            let mut child = Command::new(executable.path()).arg("600").spawn().unwrap();
            let path = format!("/proc/{}/exe", child.id());
            let opened = OpenOptions::new().write(true).open(path);
            child.kill().unwrap();
            child.wait().unwrap();
            let error = opened.unwrap_err().kind();
            let expected = [
                io::ErrorKind::ReadOnlyFilesystem,
                io::ErrorKind::ExecutableFileBusy,
                io::ErrorKind::PermissionDenied,
            ];
            assert!(expected.contains(&error), "{error}");
        }
    }
}
