//! Files on this side.

use super::{base, means_directory};
use crate::failure::{Failure, Result};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use unpack::Unpack;

/// Links that are followed at most.
const LINKS: usize = 255;

/// Where something is to go.
#[derive(Debug)]
pub(super) struct Destination {
    /// The directory that is there already.
    pub(super) dir: PathBuf,
    /// What the copy is called in it; `None`: as the source.
    pub(super) name: Option<String>,
}

impl Destination {
    /// Where a copy of a directory, or of something else, goes if it is to go to `path`.
    pub(super) fn find(path: &str, directory: bool) -> Result<Self> {
        let end = follow(Path::new(path))?;
        match fs::metadata(&end) {
            Ok(there) if there.is_dir() => Ok(Self {
                dir: end,
                name: None,
            }),
            Ok(_) if directory => Err(Failure::text(1, "cannot copy directory")),
            Ok(_) if means_directory(path) => Err(Failure::text(1, "not a directory")),
            Ok(_) => Self::new_name(&end),
            Err(_) if !directory && means_directory(path) => {
                Err(Failure::text(1, "no such directory"))
            }
            Err(_) => Self::new_name(&end),
        }
    }

    fn new_name(end: &Path) -> Result<Self> {
        let text = end.to_string_lossy();
        let name = base(&text).to_owned();
        let parent = Path::new(text.trim_end_matches('/')).parent();
        let dir = match parent {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        match fs::metadata(&dir) {
            Ok(there) if there.is_dir() => Ok(Self {
                dir,
                name: Some(name),
            }),
            _ => Err(Failure::text(
                1,
                format!(
                    "invalid output path: directory {:?} does not exist",
                    dir.display().to_string()
                ),
            )),
        }
    }
}

/// Where the links at the end of a path lead to, whether something is there or not.
fn follow(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&path) else {
            return Ok(path);
        };
        path = match path.parent() {
            Some(dir) => dir.join(target),
            None => target,
        };
    }
    Err(Failure::text(
        1,
        format!("too many links: {}", path.display()),
    ))
}

/// A directory that the worker is given.
pub(in crate::cmd) fn directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
        let error = std::io::Error::from(error);
        Failure::text(1, format!("open {}: {}", path.display(), words(&error)))
    })
}

/// The system's words as Go has them.
pub(super) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

/// The worker that is installed with this program.
pub(in crate::cmd) fn worker() -> Result<Unpack> {
    Ok(Unpack::beside().map_err(anyhow::Error::new)?)
}

/// What the worker says, without our words around it.
pub(in crate::cmd) fn refused(error: &unpack::Error) -> Failure {
    let cause = std::error::Error::source(error);
    Failure::text(
        1,
        cause.map_or_else(|| error.to_string(), ToString::to_string),
    )
}
