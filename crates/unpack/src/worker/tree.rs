//! A layer as a directory tree, written through descriptors that never leave it.

pub(super) mod walk;

use erofs::{Metadata, Mtime, Node, Xattr};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::apply::shown;
use super::copy::Copier;
use super::machine;
use super::sink::Sink;
use crate::error::Refusal;
use crate::limits::Limits;
use walk::{Found, Ground, Walk};

/// Names of one inode, as in a blob.
const NAMES: u64 = 65_000;
/// Both forms of overlay's mark, as in a blob.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

/// The directory being filled.
pub(super) struct Tree {
    walk: Walk,
    copier: Copier,
    /// Directories of the tree by inode; their times are set when nothing is made any more.
    /// `None` for those that no entry described.
    times: HashMap<u64, Option<Mtime>>,
    written: u64,
}

/// What was written.
pub(super) struct Summary {
    pub(super) written: u64,
    pub(super) implied: u64,
}

impl Tree {
    pub(super) fn new(dir: OwnedFd, limits: &Limits) -> Self {
        Self {
            walk: Walk::new(dir, Ground::Layer, limits),
            copier: Copier::new(),
            times: HashMap::new(),
            written: 0,
        }
    }

    /// Sets the directories' times.
    pub(super) fn finish(self) -> Result<Summary, Refusal> {
        let root = self.walk.root();
        let mut waiting = vec![root];
        let (mut implied, mut top) = (0, true);
        while let Some(dir) = waiting.pop() {
            let fd = reopen(&dir).map_err(failed(b"/", "read"))?;
            let entries = rustix::fs::Dir::read_from(&fd).map_err(failed(b"/", "read"))?;
            for entry in entries {
                let entry = entry.map_err(failed(b"/", "read"))?;
                let name = entry.file_name();
                let directory = entry.file_type() == FileType::Directory;
                if directory && !matches!(name.to_bytes(), b"." | b"..") {
                    let below = walk::enter(&dir, name.to_bytes())
                        .map_err(failed(name.to_bytes(), "open"))?;
                    waiting.push(Rc::new(below));
                }
            }
            let inode = rustix::fs::fstat(&fd)
                .map_err(failed(b"/", "inspect"))?
                .st_ino;
            let time = self.times.get(&inode).copied().flatten();
            implied += u64::from(time.is_none() && !top);
            top = false;
            rustix::fs::futimens(&fd, &timestamps(time.unwrap_or_default()))
                .map_err(failed(b"/", "set the time of"))?;
        }
        Ok(Summary {
            written: self.written,
            implied,
        })
    }

    /// The parent and last component of an entry; parents that are missing are made.
    fn place(&mut self, path: &[u8]) -> Result<(Rc<OwnedFd>, CString), Refusal> {
        let parts = erofs::clean(path).map_err(|error| refuse(path, &error.to_string()))?;
        let Some((last, parents)) = parts.split_last() else {
            return Err(refuse(path, "the root is a directory and nothing else"));
        };
        let made = &mut self.times;
        let parent = self.walk.parent(path, parents, &mut |inode| {
            made.insert(inode, None);
        })?;
        Ok((parent, c_string(path, last)?))
    }

    /// Takes away what has the name.
    fn clear(&mut self, path: &[u8], parent: &OwnedFd, name: &CString) -> Result<Found, Refusal> {
        let found = walk::look(parent, name).map_err(failed(path, "inspect"))?;
        match found {
            Found::Nothing => {}
            Found::Directory => {
                self.walk.forget();
                sys::removal::remove_tree(parent, name).map_err(failed(path, "remove"))?;
            }
            Found::Symlink | Found::Whiteout | Found::Other => {
                self.walk.forget();
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .map_err(failed(path, "remove"))?;
            }
        }
        self.walk.count(path)?;
        Ok(found)
    }

    /// Makes or finds the directory, and returns it open for reading.
    fn make_directory(&mut self, path: &[u8], time: Option<Mtime>) -> Result<OwnedFd, Refusal> {
        let parts = erofs::clean(path).map_err(|error| refuse(path, &error.to_string()))?;
        let mut made = false;
        let fd = if parts.is_empty() {
            reopen(&self.walk.root()).map_err(failed(path, "open"))?
        } else {
            let (parent, name) = self.place(path)?;
            let found = walk::look(&parent, &name).map_err(failed(path, "inspect"))?;
            let opaque = match found {
                Found::Directory => false,
                _ => {
                    let found = self.clear(path, &parent, &name)?;
                    self.walk.deepen(path, &parent)?;
                    rustix::fs::mkdirat(&*parent, &name, Mode::from_raw_mode(0o755))
                        .map_err(failed(path, "create"))?;
                    made = true;
                    found != Found::Nothing
                }
            };
            let fd = walk::enter(&parent, name.to_bytes()).map_err(failed(path, "open"))?;
            let fd = reopen(&fd).map_err(failed(path, "open"))?;
            if made {
                describe_implied(path, &fd, (0, 0))?;
            }
            if opaque {
                mark_opaque(path, &fd)?;
            }
            fd
        };
        let inode = rustix::fs::fstat(&fd)
            .map_err(failed(path, "inspect"))?
            .st_ino;
        match time {
            Some(time) => {
                self.times.insert(inode, Some(time));
            }
            // The inode's number may have been another's.
            None if made => {
                self.times.insert(inode, None);
            }
            None => {
                self.times.entry(inode).or_insert(None);
            }
        }
        Ok(fd)
    }
}

impl Sink for Tree {
    fn directory(&mut self, path: &[u8], metadata: Metadata) -> Result<(), Refusal> {
        let fd = self.make_directory(path, Some(metadata.mtime))?;
        describe_open(path, &fd, &metadata)
    }

    fn file(
        &mut self,
        path: &[u8],
        metadata: Metadata,
        contents: &mut dyn Read,
    ) -> Result<(), Refusal> {
        let (parent, name) = self.place(path)?;
        self.clear(path, &parent, &name)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*parent, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(failed(path, "create"))?;
        let (fd, size) = self.copier.copy(fd, path, contents)?;
        self.written += size;
        describe_open(path, &fd, &metadata)?;
        rustix::fs::futimens(&fd, &timestamps(metadata.mtime))
            .map_err(failed(path, "set the time of"))
    }

    fn symlink(&mut self, path: &[u8], target: &[u8], metadata: &Metadata) -> Result<(), Refusal> {
        let (parent, name) = self.place(path)?;
        self.clear(path, &parent, &name)?;
        rustix::fs::symlinkat(&*c_string(path, target)?, &*parent, &name)
            .map_err(failed(path, "create"))?;
        describe_named(path, &parent, &name, metadata, false)
    }

    fn node(&mut self, path: &[u8], node: Node, metadata: &Metadata) -> Result<(), Refusal> {
        let (kind, device) = match node {
            Node::Character(major, minor) => (FileType::CharacterDevice, (major, minor)),
            Node::Block(major, minor) => (FileType::BlockDevice, (major, minor)),
            Node::Fifo => (FileType::Fifo, (0, 0)),
            Node::Socket => (FileType::Socket, (0, 0)),
        };
        let (parent, name) = self.place(path)?;
        self.clear(path, &parent, &name)?;
        let device = rustix::fs::makedev(device.0, device.1);
        rustix::fs::mknodat(&*parent, &name, kind, Mode::from_raw_mode(0o600), device)
            .map_err(failed(path, "create"))?;
        describe_named(path, &parent, &name, metadata, true)
    }

    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Refusal> {
        let missing = || {
            let target = shown(target);
            let reason = format!("hard link to {target}, which is not in this archive before it");
            refuse(path, &reason)
        };
        let parts = erofs::clean(target).map_err(|error| refuse(path, &error.to_string()))?;
        let (last, parents) = parts.split_last().ok_or_else(missing)?;
        let from = self.walk.find(target, parents)?.ok_or_else(missing)?;
        let old = c_string(target, last)?;
        match walk::look(&from, &old).map_err(failed(target, "inspect"))? {
            Found::Nothing | Found::Whiteout => return Err(missing()),
            Found::Directory => {
                let target = shown(target);
                return Err(refuse(
                    path,
                    &format!("hard link to {target}, which is a directory"),
                ));
            }
            Found::Symlink | Found::Other => {}
        }
        let (parent, name) = self.place(path)?;
        let stat =
            |fd: &OwnedFd, name: &CString| rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW);
        let source = stat(&from, &old).map_err(failed(target, "inspect"))?;
        if stat(&parent, &name).is_ok_and(|there| there.st_ino == source.st_ino) {
            return Ok(());
        }
        if source.st_nlink >= NAMES {
            return Err(refuse(path, "its inode has more than 65000 names"));
        }
        // The target may lie in what has the name: then it goes with it.
        self.clear(path, &parent, &name)?;
        match rustix::fs::linkat(&*from, &old, &*parent, &name, AtFlags::empty()) {
            Err(Errno::NOENT) => Err(missing()),
            linked => linked.map_err(failed(path, "link")),
        }
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<(), Refusal> {
        let (parent, name) = self.place(path)?;
        match walk::look(&parent, &name).map_err(failed(path, "inspect"))? {
            Found::Directory => {
                let fd = walk::enter(&parent, name.to_bytes()).map_err(failed(path, "open"))?;
                mark_opaque(path, &reopen(&fd).map_err(failed(path, "open"))?)
            }
            Found::Nothing => {
                self.walk.count(path)?;
                let kind = FileType::CharacterDevice;
                rustix::fs::mknodat(&*parent, &name, kind, Mode::empty(), 0)
                    .map_err(failed(path, "create"))?;
                describe_named(path, &parent, &name, &Metadata::default(), true)
            }
            _ => Ok(()),
        }
    }

    fn opaque(&mut self, path: &[u8]) -> Result<(), Refusal> {
        let fd = self.make_directory(path, None)?;
        mark_opaque(path, &fd)
    }
}

/// An open directory that was found by path only.
pub(super) fn reopen(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(fd, ".", flags, Mode::empty())
}

fn mark_opaque(path: &[u8], fd: &OwnedFd) -> Result<(), Refusal> {
    for name in OPAQUE {
        match rustix::fs::fsetxattr(fd, name, b"y", XattrFlags::empty()) {
            // The other one is read where this may not be written.
            Err(Errno::PERM) if name != sys::overlay::opaque() => {}
            marked => marked.map_err(failed(path, "mark as opaque"))?,
        }
    }
    Ok(())
}

/// Owner, mode and attributes, in this order: a change of owner takes set-id bits and
/// capabilities away.
fn describe_open(path: &[u8], fd: &OwnedFd, metadata: &Metadata) -> Result<(), Refusal> {
    rustix::fs::fchown(fd, Some(uid(metadata)), Some(gid(metadata)))
        .map_err(failed(path, "change the owner of"))?;
    rustix::fs::fchmod(fd, mode(metadata)).map_err(failed(path, "change the mode of"))?;
    for Xattr { name, value } in &metadata.xattrs {
        let name = OsStr::from_bytes(name);
        rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
            .map_err(failed(path, "set an extended attribute of"))?;
    }
    Ok(())
}

/// A directory that no entry described, or not yet: a parent with the set-group-id bit must
/// not lend its group.
fn describe_implied(path: &[u8], fd: &OwnedFd, (uid, gid): (u32, u32)) -> Result<(), Refusal> {
    let metadata = Metadata {
        mode: 0o755,
        uid,
        gid,
        ..Metadata::default()
    };
    describe_open(path, fd, &metadata)
}

fn describe_named(
    path: &[u8],
    parent: &OwnedFd,
    name: &CString,
    metadata: &Metadata,
    has_mode: bool,
) -> Result<(), Refusal> {
    let (user, group) = (Some(uid(metadata)), Some(gid(metadata)));
    rustix::fs::chownat(parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed(path, "change the owner of"))?;
    if has_mode {
        rustix::fs::chmodat(parent, name, mode(metadata), AtFlags::empty())
            .map_err(failed(path, "change the mode of"))?;
    }
    if !metadata.xattrs.is_empty() {
        // There is no call by descriptor for what cannot be opened: the name alone, from its parent.
        rustix::process::fchdir(parent).map_err(failed(path, "enter the parent of"))?;
        for Xattr { name: key, value } in &metadata.xattrs {
            let key = OsStr::from_bytes(key);
            rustix::fs::lsetxattr(name, key, value, XattrFlags::empty())
                .map_err(failed(path, "set an extended attribute of"))?;
        }
    }
    let time = timestamps(metadata.mtime);
    rustix::fs::utimensat(parent, name, &time, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed(path, "set the time of"))
}

fn uid(metadata: &Metadata) -> rustix::fs::Uid {
    rustix::fs::Uid::from_raw(metadata.uid)
}

fn gid(metadata: &Metadata) -> rustix::fs::Gid {
    rustix::fs::Gid::from_raw(metadata.gid)
}

fn mode(metadata: &Metadata) -> Mode {
    Mode::from_raw_mode(u32::from(metadata.mode))
}

pub(super) fn timestamps(time: Mtime) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: i64::from(time.nanos),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

pub(super) fn c_string(path: &[u8], bytes: &[u8]) -> Result<CString, Refusal> {
    CString::new(bytes).map_err(|_| refuse(path, "has a zero byte"))
}

pub(super) fn refuse(path: &[u8], reason: &str) -> Refusal {
    Refusal::Entry {
        entry: shown(path),
        reason: reason.to_owned(),
    }
}

/// What the system refused, on which entry.
pub(super) fn failed(path: &[u8], attempt: &str) -> impl FnOnce(Errno) -> Refusal {
    move |error| machine(&format!("{attempt} {}", shown(path)), &error.into())
}
