//! The layer below every image: what is in each container's root whether its image has it or
//! not, so that nothing has to be made for mounts.
//!
//! COMPAT: as Docker's own layer above the image, which fills in what is missing.

use crate::error::Error;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use types::Paths;

const DIRECTORIES: [&str; 6] = ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];
/// Empty; the first says to programs that they are in a container.
const FILES: [&str; 5] = [
    ".dockerenv",
    "dev/console",
    "etc/hostname",
    "etc/hosts",
    "etc/resolv.conf",
];
const LINK: (&str, &str) = ("etc/mtab", "/proc/mounts");

/// Makes it unless it is there. It has its name when it is complete.
pub(crate) fn make(paths: &Paths) -> Result<PathBuf, Error> {
    let dir = paths.skeleton();
    if dir.is_dir() {
        return Ok(dir);
    }
    let draft = dir.with_extension("draft");
    let made = remove(&draft)
        .and_then(|()| fill(&draft))
        .and_then(|()| fs::rename(&draft, &dir));
    made.map_err(Error::io("make", &dir))?;
    Ok(dir)
}

fn remove(draft: &Path) -> io::Result<()> {
    match fs::remove_dir_all(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn fill(draft: &Path) -> io::Result<()> {
    let mode = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(draft)?;
    mode(draft)?;
    for name in DIRECTORIES {
        let path = draft.join(name);
        fs::create_dir(&path)?;
        mode(&path)?;
    }
    for name in FILES {
        let path = draft.join(name);
        let mut new = OpenOptions::new();
        new.write(true).create_new(true).mode(0o755).open(&path)?;
        mode(&path)?;
    }
    symlink(LINK.1, draft.join(LINK.0))
}
