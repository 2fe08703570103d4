//! One daemon on a root.

use anyhow::{Context, bail};
use metadata::Database;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the lock of a daemon that was killed may be held on: a process that it had just
/// forked holds it until it executes its program.
const BORN: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(2);

/// Held as long as the daemon lives; the kernel frees it with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock file, and writes the process id for those who are refused.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("cannot lock {}", path.display());
        if let Some(root) = path.parent() {
            private(root)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .with_context(what)?;
        let deadline = Instant::now() + BORN;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {
                    let pid = holder(&mut file).with_context(what)?;
                    if lives(&pid) || Instant::now() > deadline {
                        bail!(
                            "{}: another daemon is running on it, process {pid}",
                            path.parent().unwrap_or(path).display(),
                        );
                    }
                    std::thread::sleep(STEP);
                }
                Err(error) => Err(error).with_context(what)?,
            }
        }
        file.set_len(0).with_context(what)?;
        file.rewind().with_context(what)?;
        writeln!(file, "{}", std::process::id()).with_context(what)?;
        Ok(Self { _file: file })
    }
}

/// Opens the database, which only the holder of the lock does. If it is in use, then by a process
/// that a killed daemon had just forked: the kernel closes one file after the other when that
/// executes its program.
pub(crate) fn open_database(path: &Path) -> Result<Database, metadata::Error> {
    let deadline = Instant::now() + BORN;
    loop {
        match Database::open(path) {
            Err(metadata::Error::InUse { .. }) if Instant::now() < deadline => {
                std::thread::sleep(STEP);
            }
            opened => return opened,
        }
    }
}

/// The process that the lock file names.
fn holder(file: &mut File) -> std::io::Result<String> {
    let mut pid = String::new();
    file.rewind()?;
    file.read_to_string(&mut pid)?;
    Ok(pid.trim().to_owned())
}

fn lives(pid: &str) -> bool {
    pid.parse().is_ok_and(sys::identity::runs)
}

/// A directory that only its owner may list, and others only pass through.
pub(crate) fn private(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_told_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root/lock");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.ends_with(&format!("another daemon is running on it, process {pid}")),
            "{error}"
        );
        drop(first);
        // A process that another test just makes has the file open until it executes.
        let deadline = Instant::now() + BORN;
        while let Err(error) = Lock::take(&path) {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(STEP);
        }
    }
}
