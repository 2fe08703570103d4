//! An archive's members put among files that are in use, through descriptors that never leave
//! the tree.

use erofs::{Metadata, Mtime, Node, Xattr};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::apply::shown;
use super::copy::Copier;
use super::machine;
use super::sink::{Marks, Sink};
use super::tree::walk::{self, Found, Ground, Walk};
use super::tree::{c_string, failed, refuse, timestamps};
use crate::error::Refusal;
use crate::files::{Owner, Place, Placed};
use crate::limits::Limits;

/// A directory of a tree that is filled.
pub(super) struct Files<'a> {
    walk: Walk,
    order: &'a Place,
    copier: Copier,
    /// Directories and the times that they get when nothing is made in them any more.
    times: Vec<(Vec<u8>, Mtime)>,
    written: u64,
}

impl<'a> Files<'a> {
    pub(super) fn new(tree: OwnedFd, order: &'a Place, limits: &Limits) -> Result<Self, Refusal> {
        // The container's root, as the host numbers it.
        let root = order.ids.as_ref().and_then(|maps| maps.outside(0, 0).ok());
        let mut files = Self {
            walk: Walk::new(tree, Ground::InUse, limits).owned_by(root.unwrap_or_default()),
            order,
            copier: Copier::new(),
            times: Vec::new(),
            written: 0,
        };
        let dir = order.dir.as_bytes();
        let found = files.walk.find(dir, &parts(dir)?)?;
        match found {
            Some(_) => Ok(files),
            None => Err(refuse(dir, "there is no such directory")),
        }
    }

    /// Sets the directories' times.
    pub(super) fn finish(mut self, entries: u64) -> Result<Placed, Refusal> {
        for (path, time) in std::mem::take(&mut self.times) {
            // One that is gone meanwhile needs none.
            if let Some(fd) = self.walk.find(&path, &parts(&path)?)? {
                let fd = super::tree::reopen(&fd).map_err(failed(&path, "open"))?;
                rustix::fs::futimens(&fd, &timestamps(time))
                    .map_err(failed(&path, "set the time of"))?;
            }
        }
        Ok(Placed {
            entries,
            written: self.written,
        })
    }

    /// Where a member is in the tree; `None` for the directory that is filled.
    fn path(&self, member: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let mut names: Vec<&[u8]> = parts(member)?;
        if let (Some((from, to)), Some(first)) = (&self.order.rename, names.first_mut())
            && *first == from.as_bytes()
        {
            *first = to.as_bytes();
        }
        if names.is_empty() {
            return Ok(None);
        }
        let dir = parts(self.order.dir.as_bytes())?;
        Ok(Some([dir, names].concat().join(&b'/')))
    }

    fn place(&mut self, member: &[u8]) -> Result<(Rc<OwnedFd>, CString, Vec<u8>), Refusal> {
        let path = self.path(member)?;
        let path = path.ok_or_else(|| refuse(member, "is the directory itself"))?;
        let names = parts(&path)?;
        let Some((last, parents)) = names.split_last() else {
            return Err(refuse(member, "is the root"));
        };
        let parent = self.walk.parent(&path, parents, &mut |_| {})?;
        let name = c_string(member, last)?;
        Ok((parent, name, path))
    }

    /// Takes away what has the name, for something that is no directory.
    fn clear(&mut self, member: &[u8], parent: &OwnedFd, name: &CString) -> Result<(), Refusal> {
        match walk::look(parent, name).map_err(failed(member, "inspect"))? {
            Found::Nothing => Ok(()),
            Found::Directory if self.order.strict => Err(Refusal::Occupied {
                entry: shown(member),
                dir: self.order.dir.clone(),
                directory: true,
            }),
            Found::Directory => {
                self.walk.forget();
                sys::removal::remove_tree(parent, name).map_err(failed(member, "remove"))
            }
            _ => rustix::fs::unlinkat(parent, name, AtFlags::empty())
                .map_err(failed(member, "remove")),
        }
    }

    /// A directory that is there already keeps what is in it.
    fn make_directory(
        &mut self,
        member: &[u8],
        parent: &OwnedFd,
        name: &CString,
    ) -> Result<OwnedFd, Refusal> {
        match walk::look(parent, name).map_err(failed(member, "inspect"))? {
            Found::Directory => {}
            found => {
                if found != Found::Nothing {
                    if self.order.strict {
                        return Err(Refusal::Occupied {
                            entry: shown(member),
                            dir: self.order.dir.clone(),
                            directory: false,
                        });
                    }
                    self.walk.forget();
                    rustix::fs::unlinkat(parent, name, AtFlags::empty())
                        .map_err(failed(member, "remove"))?;
                }
                match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
                    // The container's own processes may have been faster.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(member, "create")(error)),
                }
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed(member, "open"))
    }

    fn owner(&self, member: &[u8], metadata: &Metadata) -> Result<Option<(u32, u32)>, Refusal> {
        let (uid, gid) = match self.order.owner {
            Owner::Archive => (metadata.uid, metadata.gid),
            Owner::Ids(uid, gid) => (uid, gid),
            Owner::Worker => return Ok(None),
        };
        let Some(maps) = &self.order.ids else {
            return Ok(Some((uid, gid)));
        };
        let outside = maps.outside(uid, gid);
        // COMPAT: dockerd's words.
        let nobody = |id| format!("container ID {id} cannot be mapped to a host ID");
        outside.map(Some).map_err(|id| refuse(member, &nobody(id)))
    }

    /// Owner, attributes and mode, in this order: a change of owner takes set-id bits away.
    fn describe_open(
        &self,
        member: &[u8],
        fd: &OwnedFd,
        metadata: &Metadata,
    ) -> Result<(), Refusal> {
        if let Some((uid, gid)) = self.owner(member, metadata)? {
            let (uid, gid) = ids(uid, gid);
            rustix::fs::fchown(fd, uid, gid).map_err(failed(member, "change the owner of"))?;
        }
        rustix::fs::fchmod(fd, mode(metadata)).map_err(failed(member, "change the mode of"))?;
        for Xattr { name, value } in &metadata.xattrs {
            let key = OsStr::from_bytes(name);
            match rustix::fs::fsetxattr(fd, key, value, XattrFlags::empty()) {
                // COMPAT: what the file system or our rights do not allow is left out.
                Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
                Err(error) => return Err(failed(member, "set an attribute of")(error)),
            }
        }
        Ok(())
    }

    fn describe_named(
        &self,
        member: &[u8],
        (parent, name): (&OwnedFd, &CString),
        metadata: &Metadata,
    ) -> Result<(), Refusal> {
        if let Some((uid, gid)) = self.owner(member, metadata)? {
            let (uid, gid) = ids(uid, gid);
            rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed(member, "change the owner of"))?;
        }
        let time = timestamps(metadata.mtime);
        rustix::fs::utimensat(parent, name, &time, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed(member, "set the time of"))
    }
}

impl Sink for Files<'_> {
    fn marks(&self) -> Marks {
        Marks::AreFiles
    }

    fn directory(&mut self, member: &[u8], metadata: Metadata) -> Result<(), Refusal> {
        let Some(path) = self.path(member)? else {
            return self.top(member, &metadata);
        };
        let (parent, name, _) = self.place(member)?;
        let fd = self.make_directory(member, &parent, &name)?;
        self.describe_open(member, &fd, &metadata)?;
        self.times.push((path, metadata.mtime));
        Ok(())
    }

    fn file(
        &mut self,
        member: &[u8],
        metadata: Metadata,
        contents: &mut dyn Read,
    ) -> Result<(), Refusal> {
        let (parent, name, _) = self.place(member)?;
        self.clear(member, &parent, &name)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*parent, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(failed(member, "create"))?;
        let (fd, size) = self.copier.copy(fd, member, contents)?;
        self.written += size;
        self.describe_open(member, &fd, &metadata)?;
        rustix::fs::futimens(&fd, &timestamps(metadata.mtime))
            .map_err(failed(member, "set the time of"))
    }

    fn symlink(
        &mut self,
        member: &[u8],
        target: &[u8],
        metadata: &Metadata,
    ) -> Result<(), Refusal> {
        let (parent, name, _) = self.place(member)?;
        self.clear(member, &parent, &name)?;
        rustix::fs::symlinkat(&*c_string(member, target)?, &*parent, &name)
            .map_err(failed(member, "create"))?;
        self.describe_named(member, (&parent, &name), metadata)
    }

    fn node(&mut self, member: &[u8], node: Node, metadata: &Metadata) -> Result<(), Refusal> {
        let (kind, device) = match node {
            Node::Character(major, minor) => (FileType::CharacterDevice, (major, minor)),
            Node::Block(major, minor) => (FileType::BlockDevice, (major, minor)),
            Node::Fifo => (FileType::Fifo, (0, 0)),
            Node::Socket => (FileType::Socket, (0, 0)),
        };
        let (parent, name, _) = self.place(member)?;
        self.clear(member, &parent, &name)?;
        let device = rustix::fs::makedev(device.0, device.1);
        rustix::fs::mknodat(&*parent, &name, kind, mode(metadata), device)
            .map_err(failed(member, "create"))?;
        self.describe_named(member, (&parent, &name), metadata)?;
        // Only what is still the node that was made: a link in its place is not followed.
        match rustix::fs::chmodat(&*parent, &name, mode(metadata), AtFlags::SYMLINK_NOFOLLOW) {
            // Before Linux 6.6 there is no such call; the mode at its making has to do.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(failed(member, "change the mode of")(error)),
        }
    }

    fn link(&mut self, member: &[u8], target: &[u8]) -> Result<(), Refusal> {
        let missing = |error: Errno| {
            let target = shown(target);
            machine(
                &format!("link {} to {target}", shown(member)),
                &error.into(),
            )
        };
        let from = self.path(target)?;
        let from = from.ok_or_else(|| refuse(member, "a hard link to a directory"))?;
        let names = parts(&from)?;
        let (last, parents) = names
            .split_last()
            .ok_or_else(|| refuse(member, "a hard link to the root"))?;
        let old_parent = self.walk.find(&from, parents)?;
        let old_parent = old_parent.ok_or_else(|| missing(Errno::NOENT))?;
        let old = c_string(target, last)?;
        let (parent, name, _) = self.place(member)?;
        let inode = |parent: &OwnedFd, name: &CString| {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            Some((stat.st_dev, stat.st_ino))
        };
        let there = inode(&old_parent, &old).ok_or_else(|| missing(Errno::NOENT))?;
        if inode(&parent, &name) == Some(there) {
            return Ok(());
        }
        self.clear(member, &parent, &name)?;
        rustix::fs::linkat(&*old_parent, &old, &*parent, &name, AtFlags::empty()).map_err(missing)
    }

    fn whiteout(&mut self, member: &[u8]) -> Result<(), Refusal> {
        Err(refuse(member, "marks are files here"))
    }

    fn opaque(&mut self, member: &[u8]) -> Result<(), Refusal> {
        Err(refuse(member, "marks are files here"))
    }
}

impl Files<'_> {
    /// The directory that is filled, which the archive may describe too.
    ///
    /// COMPAT: as Docker's engine, which leaves it as it is unless a copy is made.
    fn top(&mut self, member: &[u8], metadata: &Metadata) -> Result<(), Refusal> {
        if !self.order.describe_top {
            return Ok(());
        }
        let dir = self.order.dir.as_bytes().to_vec();
        let Some(fd) = self.walk.find(&dir, &parts(&dir)?)? else {
            return Ok(());
        };
        let fd = super::tree::reopen(&fd).map_err(failed(member, "open"))?;
        self.describe_open(member, &fd, metadata)?;
        self.times.push((dir, metadata.mtime));
        Ok(())
    }
}

fn parts(path: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    erofs::clean(path).map_err(|_| Refusal::Escapes { entry: shown(path) })
}

fn ids(uid: u32, gid: u32) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
    (
        Some(rustix::fs::Uid::from_raw(uid)),
        Some(rustix::fs::Gid::from_raw(gid)),
    )
}

fn mode(metadata: &Metadata) -> Mode {
    Mode::from_raw_mode(u32::from(metadata.mode))
}
