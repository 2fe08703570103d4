//! The way to an entry's parent, with the tree as root of every resolution.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::super::apply::shown;
use super::{c_string, failed, refuse};
use crate::error::Refusal;
use crate::limits::Limits;

/// Symbolic links followed on the way, as Linux has it.
const LINKS: usize = 40;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Found {
    Nothing,
    Directory,
    Symlink,
    Whiteout,
    Other,
}

/// What kind of tree it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Ground {
    /// A layer's, of one file system, with overlay's whiteouts.
    Layer,
    /// One in use: of several file systems, and nothing in it is a mark.
    InUse,
}

/// Finds parents, and remembers the last one.
pub(in super::super) struct Walk {
    root: Rc<OwnedFd>,
    ground: Ground,
    /// Whose the parents are that nothing describes.
    owner: (u32, u32),
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
    names: u64,
    max_names: u64,
    max_depth: usize,
}

impl Walk {
    pub(in super::super) fn new(root: OwnedFd, ground: Ground, limits: &Limits) -> Self {
        Self {
            root: Rc::new(root),
            ground,
            owner: (0, 0),
            last: None,
            names: 0,
            max_names: limits.entries.saturating_mul(2),
            max_depth: limits.depth,
        }
    }

    /// Parents that nothing describes are this user's and group's.
    pub(in super::super) fn owned_by(mut self, owner: (u32, u32)) -> Self {
        self.owner = owner;
        self
    }

    pub(in super::super) fn root(&self) -> Rc<OwnedFd> {
        Rc::clone(&self.root)
    }

    /// Forgets what may be no directory of the tree any more.
    pub(in super::super) fn forget(&mut self) {
        self.last = None;
    }

    /// Counts a name that is made.
    pub(in super::super) fn count(&mut self, path: &[u8]) -> Result<(), Refusal> {
        self.names += 1;
        if self.names > self.max_names {
            return Err(Refusal::Limit {
                entry: shown(path),
                what: "the number of names".to_owned(),
                limit: self.max_names,
            });
        }
        Ok(())
    }

    /// The directory that the components name; what is missing is made and told to `made`.
    pub(in super::super) fn parent(
        &mut self,
        path: &[u8],
        parts: &[&[u8]],
        made: &mut dyn FnMut(u64),
    ) -> Result<Rc<OwnedFd>, Refusal> {
        let joined = parts.join(&b'/');
        if let Some((last, fd)) = &self.last
            && *last == joined
        {
            return Ok(Rc::clone(fd));
        }
        let fd = match self.resolve(&joined) {
            Ok(fd) => fd,
            Err(_) => match self.step(path, parts, Some(made))? {
                Some(fd) => fd,
                None => return Err(refuse(path, "a parent is missing")),
            },
        };
        let fd = Rc::new(fd);
        self.last = Some((joined, Rc::clone(&fd)));
        Ok(fd)
    }

    /// The directory that the components name, if it is there.
    pub(in super::super) fn find(
        &mut self,
        path: &[u8],
        parts: &[&[u8]],
    ) -> Result<Option<Rc<OwnedFd>>, Refusal> {
        match self.resolve(&parts.join(&b'/')) {
            Ok(fd) => Ok(Some(Rc::new(fd))),
            Err(_) => Ok(self.step(path, parts, None)?.map(Rc::new)),
        }
    }

    /// The whole way in one call: the kernel follows links with the tree as root.
    fn resolve(&self, joined: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if joined.is_empty() { b"." } else { joined };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let mut resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        if self.ground == Ground::Layer {
            resolve |= ResolveFlags::NO_XDEV;
        }
        sys::resolve::open(&*self.root, path, flags, resolve)
    }

    /// The way name by name: makes what is missing, and says which step failed.
    fn step(
        &mut self,
        path: &[u8],
        parts: &[&[u8]],
        mut made: Option<&mut dyn FnMut(u64)>,
    ) -> Result<Option<OwnedFd>, Refusal> {
        // The way from the root without links: `..` takes one away.
        let mut way: Vec<Vec<u8>> = Vec::new();
        let mut followed = 0;
        let mut pending: Vec<Vec<u8>> = parts.iter().rev().map(|part| part.to_vec()).collect();
        while let Some(part) = pending.pop() {
            match &*part {
                b"" | b"." => continue,
                b".." => {
                    way.pop();
                    continue;
                }
                _ => {}
            }
            let at = self
                .resolve(&way.join(&b'/'))
                .map_err(failed(path, "open a parent of"))?;
            let name = c_string(path, &part)?;
            let found = look(&at, &name).map_err(failed(path, "inspect a parent of"))?;
            match self.ground.sees(found) {
                Found::Directory => way.push(part),
                Found::Symlink => {
                    followed += 1;
                    if followed > LINKS {
                        return Err(refuse(path, "more than 40 symbolic links on the way to it"));
                    }
                    let target = rustix::fs::readlinkat(&at, &name, Vec::new())
                        .map_err(failed(path, "read a link on the way to"))?;
                    if target.to_bytes().starts_with(b"/") {
                        way.clear();
                    }
                    let parts = target.to_bytes().split(|b| *b == b'/').rev();
                    pending.extend(parts.map(<[u8]>::to_vec));
                }
                Found::Other => return Err(refuse(path, "a parent is no directory")),
                found @ (Found::Nothing | Found::Whiteout) => {
                    let Some(made) = &mut made else {
                        return Ok(None);
                    };
                    self.forget();
                    self.count(path)?;
                    self.bound(path, way.len() + 1)?;
                    made(imply(path, (&at, &name), found, self.owner)?);
                    way.push(part);
                }
            }
        }
        let fd = self.resolve(&way.join(&b'/'));
        fd.map(Some).map_err(failed(path, "open the parent of"))
    }

    /// Refuses a directory in `parent` that lies too deep.
    pub(in super::super) fn deepen(&self, path: &[u8], parent: &OwnedFd) -> Result<(), Refusal> {
        // Names are bounded already; only links can lead deeper, and those ways end here.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::fstat(&*self.root).map_err(failed(path, "inspect the root of"))?;
        let mut at = rustix::fs::openat(parent, ".", flags, Mode::empty())
            .map_err(failed(path, "open the parent of"))?;
        let mut depth = 1;
        while rustix::fs::fstat(&at)
            .map_err(failed(path, "inspect"))?
            .st_ino
            != root.st_ino
        {
            depth += 1;
            self.bound(path, depth)?;
            at = rustix::fs::openat(&at, "..", flags, Mode::empty())
                .map_err(failed(path, "open a parent of"))?;
        }
        Ok(())
    }

    fn bound(&self, path: &[u8], depth: usize) -> Result<(), Refusal> {
        if depth > self.max_depth {
            return Err(Refusal::Limit {
                entry: shown(path),
                what: "the depth of directories".to_owned(),
                limit: self.max_depth as u64,
            });
        }
        Ok(())
    }
}

impl Ground {
    fn sees(self, found: Found) -> Found {
        match (self, found) {
            (Self::InUse, Found::Whiteout) => Found::Other,
            (_, found) => found,
        }
    }
}

/// Makes a parent that no entry described, and returns its inode.
fn imply(
    path: &[u8],
    (at, name): (&OwnedFd, &CString),
    found: Found,
    owner: (u32, u32),
) -> Result<u64, Refusal> {
    if found == Found::Whiteout {
        rustix::fs::unlinkat(at, name, AtFlags::empty()).map_err(failed(path, "remove"))?;
    }
    rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o755))
        .map_err(failed(path, "create a parent of"))?;
    let fd = enter(at, name.to_bytes()).map_err(failed(path, "open a parent of"))?;
    let fd = super::reopen(&fd).map_err(failed(path, "open a parent of"))?;
    super::describe_implied(path, &fd, owner)?;
    if found == Found::Whiteout {
        super::mark_opaque(path, &fd)?;
    }
    let stat = rustix::fs::fstat(&fd);
    Ok(stat.map_err(failed(path, "inspect a parent of"))?.st_ino)
}

/// What has the name; a link is not followed.
pub(in super::super) fn look(parent: &OwnedFd, name: &CStr) -> Result<Found, Errno> {
    let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Found::Directory,
        FileType::Symlink => Found::Symlink,
        FileType::CharacterDevice if stat.st_rdev == 0 => Found::Whiteout,
        _ => Found::Other,
    })
}

/// A directory by one name.
pub(super) fn enter(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    sys::resolve::open(parent, name, flags, resolve)
}
