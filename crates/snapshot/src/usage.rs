//! What a tree takes on disk.

use rustix::fs::{AtFlags, Dir, FileType, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use crate::error::Error;

/// Bytes and inodes of a container's writable part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of allocated blocks.
    pub bytes: u64,
    /// Bytes that files hold, however they are laid out.
    #[serde(default)]
    pub content: u64,
    /// Files, directories and so on; one with several names counts once.
    pub inodes: u64,
}

/// Components opened in one step: their bytes stay below `PATH_MAX`.
const STEP: usize = 15;

/// A directory yet to be read, by the names from the top.
struct Waiting {
    name: CString,
    above: Option<Rc<Waiting>>,
}

/// A chain as long as a container likes must not be dropped by recursion.
impl Drop for Waiting {
    fn drop(&mut self) {
        let mut above = self.above.take();
        while let Some(mut last) = above.and_then(Rc::into_inner) {
            above = last.above.take();
        }
    }
}

/// Measures the tree `name` in `parent`. Names that vanish meanwhile are not counted.
pub(crate) fn measure_in(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<Usage, Error> {
    let name = CString::new(name.as_bytes()).map_err(Error::io("measure", path))?;
    Measure {
        parent,
        usage: Usage::default(),
        seen: HashSet::new(),
    }
    .tree(name)
    .map_err(Error::io("measure", path))
}

/// Measures the tree whose top `dir` is; `path` is for errors.
pub fn measure(dir: &OwnedFd, path: &Path) -> Result<Usage, Error> {
    measure_in(dir, OsStr::new("."), path)
}

struct Measure<'a> {
    parent: &'a OwnedFd,
    usage: Usage,
    /// Inodes with several names.
    seen: HashSet<(u64, u64)>,
}

impl Measure<'_> {
    fn tree(mut self, name: CString) -> Result<Usage, Errno> {
        let top = rustix::fs::statat(self.parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.count(&top);
        let mut waiting = vec![Rc::new(Waiting { name, above: None })];
        while let Some(dir) = waiting.pop() {
            match self.open(&dir) {
                Ok(fd) => self.directory(&fd, &dir, &mut waiting)?,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.usage)
    }

    fn directory(
        &mut self,
        fd: &OwnedFd,
        dir: &Rc<Waiting>,
        waiting: &mut Vec<Rc<Waiting>>,
    ) -> Result<(), Errno> {
        for entry in Dir::read_from(fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    self.count(&stat);
                    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                        waiting.push(below(dir, name));
                    }
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn count(&mut self, stat: &Stat) {
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if stat.st_nlink > 1 && !directory && !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        self.usage.inodes += 1;
        if !directory {
            self.usage.content += u64::try_from(stat.st_size).unwrap_or(0);
        }
        self.usage.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    }

    /// Opens a directory at any depth with one descriptor more, in steps, following no link.
    fn open(&self, dir: &Waiting) -> Result<OwnedFd, Errno> {
        let mut names = vec![dir.name.as_c_str()];
        let mut above = dir.above.as_deref();
        while let Some(dir) = above {
            names.push(&dir.name);
            above = dir.above.as_deref();
        }
        names.reverse();
        let mut fd: Option<OwnedFd> = None;
        for step in names.chunks(STEP) {
            let path = step.iter().map(|name| name.to_bytes()).collect::<Vec<_>>();
            let from = fd.as_ref().unwrap_or(self.parent);
            fd = Some(sys::resolve::open(
                from,
                path.join(&b'/').as_slice(),
                OFlags::RDONLY | OFlags::DIRECTORY,
                ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH,
            )?);
        }
        fd.ok_or(Errno::NOENT)
    }
}

fn below(dir: &Rc<Waiting>, name: &CStr) -> Rc<Waiting> {
    Rc::new(Waiting {
        name: name.to_owned(),
        above: Some(Rc::clone(dir)),
    })
}
