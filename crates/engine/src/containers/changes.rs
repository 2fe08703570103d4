//! What a container changed of its image's files.
//!
//! Overlay keeps what a container wrote apart: that part alone is walked, through
//! descriptors, and compared with the layers under it. A root that is a copy of them is walked
//! as a whole.

use super::Containers;
use super::archive::{is_place, is_stub};
use crate::context::blocking;
use crate::{Container, Error};
use container::files::{Access, Files};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use types::{ContainerId, Rootfs};

/// Overlay's mark of a directory that hides what is below it.
const CAPABILITY: &str = "security.capability";
/// The largest attribute that is compared.
const ATTRIBUTE: usize = 4 << 10;

/// A file that is not as in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path from the root.
    pub path: String,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It, or something in it, is other than in the image.
    Modified,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
}

impl Containers {
    /// What a container changed of its image's files, a directory before what is in it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; if the files cannot be read.
    pub async fn changes(&self, id: &ContainerId) -> Result<Vec<Change>, Error> {
        let handle = self.context.index.container(id)?;
        let container = handle.snapshot();
        let found = blocking(move || changes(&container)).await??;
        let shown = |(path, kind): (Vec<u8>, ChangeKind)| Change {
            path: format!("/{}", String::from_utf8_lossy(&path)),
            kind,
        };
        Ok(found.into_iter().map(shown).collect())
    }
}

/// What changed, by paths without a leading slash.
pub(super) fn changes(container: &Container) -> Result<Vec<(Vec<u8>, ChangeKind)>, Error> {
    let id = container.id();
    let record = &container.record;
    let (written, lower, whole) = match &record.rootfs {
        Rootfs::Layers {
            lower,
            writable: Some(writable),
        } => (&writable.upper, lower, false),
        Rootfs::Directory(copy) if !record.copied.is_empty() => (copy, &record.copied, true),
        _ => return Ok(Vec::new()),
    };
    let upper = rustix::fs::open(written, directory(), Mode::empty())
        .map_err(|error| Error::io("open", written)(error.into()))?;
    let rootfs = Rootfs::Layers {
        lower: lower.clone(),
        writable: None,
    };
    let files = Files::Stopped {
        rootfs: &rootfs,
        parts: &[],
    };
    let image = container::files::tree(&files, Access::Read).map_err(Error::files("reach", id))?;
    Comparison {
        upper,
        image,
        whole,
        found: Vec::new(),
    }
    .run()
}

/// The written part beside the image.
struct Comparison {
    upper: OwnedFd,
    image: OwnedFd,
    /// The written part is a whole root: what is not in it is gone.
    whole: bool,
    found: Vec<(Vec<u8>, ChangeKind)>,
}

/// A directory on the way down.
struct Level {
    /// From the root, without a leading slash.
    path: Vec<u8>,
    /// Names yet to come, the last first.
    names: Vec<CString>,
    /// The image has a directory here.
    below: bool,
    /// What the image has in it is hidden.
    opaque: bool,
    /// It is among what was found.
    told: bool,
}

impl Comparison {
    fn run(mut self) -> Result<Vec<(Vec<u8>, ChangeKind)>, Error> {
        let mut names = names(&self.upper, b"")?;
        if self.whole {
            self.add_hidden(b"", &mut names)?;
        }
        let mut levels = vec![Level {
            path: Vec::new(),
            names,
            below: true,
            opaque: self.whole,
            told: true,
        }];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            let path = join(&level.path, name.to_bytes());
            if let Some(next) = self.visit(&mut levels, path)? {
                levels.push(next);
            }
        }
        Ok(self.found)
    }

    /// One entry of the written part; a directory is given back, to be gone through.
    fn visit(&mut self, levels: &mut [Level], path: Vec<u8>) -> Result<Option<Level>, Error> {
        let (below, opaque) = match levels.last() {
            Some(level) => (level.below, level.opaque),
            None => (false, false),
        };
        let before = match below {
            true => look(&self.image, &path)?,
            false => None,
        };
        let Some(now) = look(&self.upper, &path)? else {
            // Hidden, or gone meanwhile.
            if opaque && before.is_some() {
                self.tell(levels, &path, ChangeKind::Deleted);
            }
            return Ok(None);
        };
        let kind = FileType::from_raw_mode(now.st_mode);
        if !self.whole && kind == FileType::CharacterDevice && now.st_rdev == 0 {
            if before.is_some() {
                self.tell(levels, &path, ChangeKind::Deleted);
            }
            return Ok(None);
        }
        if is_stub(&path, &now) {
            return Ok(None);
        }
        let told = match &before {
            None if is_place(&path) && kind == FileType::Directory => None,
            None => Some(ChangeKind::Added),
            Some(before) => self
                .differs(&path, before, &now)?
                .then_some(ChangeKind::Modified),
        };
        if let Some(told) = told {
            self.tell(levels, &path, told);
        }
        if kind != FileType::Directory {
            return Ok(None);
        }
        let was_directory = before
            .is_some_and(|before| FileType::from_raw_mode(before.st_mode) == FileType::Directory);
        self.enter(path, was_directory, told.is_some())
    }

    fn enter(&mut self, path: Vec<u8>, below: bool, told: bool) -> Result<Option<Level>, Error> {
        let dir = match open(&self.upper, &path, directory()) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut names = names(&dir, &path)?;
        let hides = || self.whole || attribute(&dir, sys::overlay::opaque()) == Some(b"y".to_vec());
        let opaque = below && hides();
        if opaque {
            self.add_hidden(&path, &mut names)?;
        }
        Ok(Some(Level {
            path,
            names,
            below,
            opaque,
            told,
        }))
    }

    /// What the image has and the written part has not is gone without a mark of its own.
    fn add_hidden(&self, path: &[u8], names: &mut Vec<CString>) -> Result<(), Error> {
        let shown: &[u8] = if path.is_empty() { b"." } else { path };
        let old = open(&self.image, shown, directory()).map_err(failed(path))?;
        let kept: BTreeSet<CString> = names.iter().cloned().collect();
        let all = self::names(&old, path)?;
        names.extend(all.into_iter().filter(|name| !kept.contains(name)));
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(())
    }

    /// Adds a change; the directories above it are changed by it.
    fn tell(&mut self, levels: &mut [Level], path: &[u8], kind: ChangeKind) {
        for level in levels.iter_mut().filter(|level| !level.told) {
            level.told = true;
            let path = level.path.clone();
            self.found.push((path, ChangeKind::Modified));
        }
        self.found.push((path.to_vec(), kind));
    }

    fn differs(&self, path: &[u8], before: &Stat, now: &Stat) -> Result<bool, Error> {
        let owner = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid);
        if owner(before) != owner(now) {
            return Ok(true);
        }
        let contents = |stat: &Stat| {
            let time = (stat.st_mtime, stat.st_mtime_nsec);
            (stat.st_rdev, stat.st_size, time)
        };
        match FileType::from_raw_mode(now.st_mode) {
            // COMPAT: of a directory itself, only these count.
            FileType::Directory => Ok(false),
            _ if contents(before) != contents(now) => Ok(true),
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let capability = |tree: &OwnedFd| match open(tree, path, flags) {
                    Ok(file) => Ok(attribute(&file, CAPABILITY)),
                    Err(Errno::NOENT | Errno::LOOP) => Ok(None),
                    Err(error) => Err(failed(path)(error)),
                };
                Ok(capability(&self.image)? != capability(&self.upper)?)
            }
            _ => Ok(false),
        }
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    match dir {
        b"" => name.to_vec(),
        dir => [dir, b"/", name].concat(),
    }
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// A path below `tree`, without a link on the way or at its end.
fn open(tree: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    sys::resolve::open(tree, path, flags, resolve)
}

fn look(tree: &OwnedFd, path: &[u8]) -> Result<Option<Stat>, Error> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    // The last part may be a link: it is looked at and not followed.
    let found = sys::resolve::open(tree, path, flags, ResolveFlags::BENEATH);
    match found.and_then(|fd| rustix::fs::statat(&fd, c"", AtFlags::EMPTY_PATH)) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// A directory's names, the last first.
fn names(dir: &OwnedFd, path: &[u8]) -> Result<Vec<CString>, Error> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

fn attribute(file: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; ATTRIBUTE];
    let length = rustix::fs::fgetxattr(file, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

fn failed(path: &[u8]) -> impl FnOnce(Errno) -> Error {
    let path = format!("/{}", String::from_utf8_lossy(path));
    move |error| Error::path(&path, &path)(error)
}
