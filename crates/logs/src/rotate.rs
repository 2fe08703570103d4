//! The names of a log's files, and moving them up.

use crate::Error;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What a compressed file's name ends with.
const COMPRESSED: &str = ".gz";

/// The `number`th older file: 1 is the newest of them.
pub(crate) fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The same file compressed.
pub(crate) fn compressed(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(COMPRESSED);
    name.into()
}

/// The right to rename a log's files, until it is dropped: whoever writes a log moves its files
/// up, and another puts compressed ones in their places.
#[derive(Debug)]
pub(crate) struct Renaming(#[expect(dead_code, reason = "it is held")] OwnedFd);

impl Renaming {
    pub(crate) fn begin(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let locked = || -> Result<OwnedFd, rustix::io::Errno> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = open(folder, flags, Mode::empty())?;
            flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        };
        locked().map(Self).map_err(Error::io("lock", path))
    }
}

/// Moves `PATH` to `PATH.1`, `PATH.1` to `PATH.2` and so on, compressed or not, so that with a
/// new `PATH` there are at most `files`. With one file alone nothing moves: it is to be emptied.
pub(crate) fn rotate(path: &Path, files: u32) -> Result<(), Error> {
    if files < 2 {
        return Ok(());
    }
    let _renaming = Renaming::begin(path)?;
    let last = older(path, files - 1);
    remove(&last)?;
    remove(&compressed(&last))?;
    for number in (1..files).rev() {
        let to = older(path, number);
        match number {
            1 => rename(path, &to)?,
            _ => {
                let from = older(path, number - 1);
                rename(&from, &to)?;
                rename(&compressed(&from), &compressed(&to))?;
            }
        }
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    absent_is_well(fs::rename(from, to)).map_err(Error::io("rotate", from))
}

fn remove(path: &Path) -> Result<(), Error> {
    absent_is_well(fs::remove_file(path)).map_err(Error::io("remove", path))
}

fn absent_is_well(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
