//! A tree's files as an archive, read through descriptors that never leave it.

mod header;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use super::apply::shown;
use super::machine;
use crate::error::Refusal;
use crate::files::{Detail, Pack, Packed};
use crate::limits::Limits;
use header::{Entry, Kind};

/// Bytes of a file that are copied at once.
const PIECE: usize = 256 << 10;
const CAPABILITY: &str = "security.capability";

/// Writes what `order` names of `tree` to `output`.
pub(super) fn pack(
    tree: &OwnedFd,
    output: File,
    order: &Pack,
    limits: &Limits,
) -> Result<Packed, Refusal> {
    // A descriptor for each directory on the way down.
    let now = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)
        .map_err(failed(b"", "raise the number of descriptors"))?;
    let mut packer = Packer {
        out: BufWriter::with_capacity(PIECE, output),
        order,
        depth: limits.depth,
        piece: vec![0; PIECE],
        links: HashMap::new(),
        entries: 0,
    };
    let dir = open_root(tree, order.dir.as_bytes())?;
    match order.name.as_str() {
        "" => packer.directory(dir)?,
        name => packer.named(&dir, name)?,
    }
    packer.finish()
}

/// A directory by its path, with the tree as root.
fn open_root(tree: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Refusal> {
    let way = if path.is_empty() { b"/" } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    sys::resolve::open(tree, way, flags, resolve).map_err(failed(path, "open"))
}

struct Packer<'a> {
    out: BufWriter<File>,
    order: &'a Pack,
    depth: usize,
    piece: Vec<u8>,
    /// Names in the archive of inodes that have several.
    links: HashMap<(u64, u64), Vec<u8>>,
    entries: u64,
}

/// A directory on the way down.
struct Level {
    fd: OwnedFd,
    /// Names yet to come, the last first.
    names: Vec<CString>,
    /// How much of the two paths is this directory's.
    path: usize,
    name: usize,
}

impl Packer<'_> {
    /// One thing that is no directory, or a directory with all below.
    fn named(&mut self, dir: &OwnedFd, name: &str) -> Result<(), Refusal> {
        let path = name.as_bytes();
        let name = CString::new(path).map_err(|_| refuse(path, "has a zero byte"))?;
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed(path, "inspect"))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let below = enter(dir, &name).map_err(failed(path, "open"))?;
            return self.directory(below);
        }
        let rename = self.order.rename.clone().into_bytes();
        self.other(dir, &name, &rename)
    }

    /// A directory and all below.
    fn directory(&mut self, top: OwnedFd) -> Result<(), Refusal> {
        let mut path = Vec::new();
        let mut name = self.order.rename.clone().into_bytes();
        if !name.is_empty() {
            self.describe_directory(&top, &name)?;
            if !name.ends_with(b"/") {
                name.push(b'/');
            }
        }
        let mut levels = vec![self.level(top, &path, &name)?];
        while let Some(level) = levels.last_mut() {
            path.truncate(level.path);
            name.truncate(level.name);
            let Some(next) = level.names.pop() else {
                levels.pop();
                continue;
            };
            path.extend_from_slice(next.to_bytes());
            name.extend_from_slice(next.to_bytes());
            if self.is_hidden(&path) {
                continue;
            }
            let depth = levels.len();
            let below = self.child(&mut levels, &next, &name)?;
            if let Some(below) = below {
                if depth >= self.depth {
                    return Err(Refusal::Limit {
                        entry: shown(&name),
                        what: "the depth of directories".to_owned(),
                        limit: self.depth as u64,
                    });
                }
                path.push(b'/');
                name.push(b'/');
                levels.push(self.level(below, &path, &name)?);
            }
        }
        Ok(())
    }

    fn is_hidden(&self, path: &[u8]) -> bool {
        let hidden = &self.order.hidden;
        hidden.iter().any(|hidden| hidden.as_bytes() == path)
    }

    /// One entry of a directory; one that is a directory is given back, open.
    fn child(
        &mut self,
        levels: &mut [Level],
        child: &CStr,
        name: &[u8],
    ) -> Result<Option<OwnedFd>, Refusal> {
        let Some(level) = levels.last() else {
            return Ok(None);
        };
        let opened = match enter(&level.fd, child) {
            Ok(below) => below,
            // Not a directory, or gone meanwhile.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {
                return self.other(&level.fd, child, name).map(|()| None);
            }
            Err(error) => return Err(failed(name, "open")(error)),
        };
        self.describe_directory(&opened, name)?;
        Ok(Some(opened))
    }

    fn level(&self, fd: OwnedFd, path: &[u8], name: &[u8]) -> Result<Level, Refusal> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(failed(name, "read"))? {
            let entry = entry.map_err(failed(name, "read"))?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Level {
            fd,
            names,
            path: path.len(),
            name: name.len(),
        })
    }

    fn describe_directory(&mut self, fd: &OwnedFd, name: &[u8]) -> Result<(), Refusal> {
        let stat = rustix::fs::fstat(fd).map_err(failed(name, "inspect"))?;
        let name = match name.ends_with(b"/") {
            true => name.to_vec(),
            false => [name, b"/"].concat(),
        };
        let mut entry = self.entry(&name, &stat, Kind::Directory);
        entry.xattrs = self.xattrs(fd, &name)?;
        self.write(&entry)?;
        if self.order.detail == Detail::Layer && is_opaque(fd, &name)? {
            self.whiteout(&[&name, b".wh..wh..opq".as_slice()].concat())?;
        }
        Ok(())
    }

    /// What is no directory; what is gone meanwhile, and sockets, are left out.
    fn other(&mut self, dir: &OwnedFd, child: &CStr, name: &[u8]) -> Result<(), Refusal> {
        let stat = match rustix::fs::statat(dir, child, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(failed(name, "inspect")(error)),
        };
        let device = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return self.file(dir, child, name),
            FileType::Symlink => {
                let target = match rustix::fs::readlinkat(dir, child, Vec::new()) {
                    Ok(target) => target,
                    Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                    Err(error) => return Err(failed(name, "read the link")(error)),
                };
                Kind::Symlink(target.into_bytes())
            }
            FileType::CharacterDevice if device == (0, 0) && self.order.detail == Detail::Layer => {
                let at = name.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
                let (parents, last) = name.split_at(at);
                return self.whiteout(&[parents, b".wh.", last].concat());
            }
            FileType::CharacterDevice => Kind::Character(device.0, device.1),
            FileType::BlockDevice => Kind::Block(device.0, device.1),
            FileType::Fifo => Kind::Fifo,
            // A socket is its process's; a directory came in its place meanwhile.
            _ => return Ok(()),
        };
        let entry = self.entry(name, &stat, kind);
        match self.linked(&stat, name) {
            Some(first) => self.write(&Entry {
                kind: Kind::Link(first),
                ..entry
            }),
            None => self.write(&entry),
        }
    }

    fn file(&mut self, dir: &OwnedFd, child: &CStr, name: &[u8]) -> Result<(), Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(dir, child, flags, Mode::empty());
        let file = match opened {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(()),
            Err(error) => return Err(failed(name, "open")(error)),
        };
        let stat = rustix::fs::fstat(&file).map_err(failed(name, "inspect"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut entry = self.entry(name, &stat, Kind::File(size));
        if let Some(first) = self.linked(&stat, name) {
            entry.kind = Kind::Link(first);
            return self.write(&entry);
        }
        entry.xattrs = self.xattrs(&file, name)?;
        self.write(&entry)?;
        self.contents(file.into(), size, name)
    }

    /// Exactly `size` bytes, whatever becomes of the file meanwhile.
    fn contents(&mut self, mut file: File, size: u64, name: &[u8]) -> Result<(), Refusal> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let Some(piece) = self.piece.get_mut(..most) else {
                break;
            };
            let length = match file.read(piece) {
                Ok(0) => {
                    piece.fill(0);
                    most
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(machine(&format!("read {}", shown(name)), &error)),
            };
            let written = self.out.write_all(piece.get(..length).unwrap_or_default());
            written.map_err(|error| machine("write the archive", &error))?;
            left -= length as u64;
        }
        let padding = usize::try_from(size.wrapping_neg() % 512).unwrap_or(0);
        let written = self.out.write_all(&[0; 512][..padding]);
        written.map_err(|error| machine("write the archive", &error))
    }

    /// The name under which an inode with several names is in the archive already.
    fn linked(&mut self, stat: &Stat, name: &[u8]) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.links.get(&inode) {
            return Some(first.clone());
        }
        self.links.insert(inode, name.to_vec());
        None
    }

    fn entry(&self, name: &[u8], stat: &Stat, kind: Kind) -> Entry {
        let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        let (uid, gid) = match &self.order.ids {
            Some(maps) => maps.inside(stat.st_uid, stat.st_gid),
            None => (stat.st_uid, stat.st_gid),
        };
        Entry {
            name: name.to_vec(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            seconds: stat.st_mtime,
            nanos: if self.order.detail == Detail::Copy {
                nanos
            } else {
                0
            },
            xattrs: Vec::new(),
        }
    }

    fn xattrs(&self, fd: &OwnedFd, name: &[u8]) -> Result<header::Xattrs, Refusal> {
        let mut found = Vec::new();
        let mut keys = vec![CAPABILITY.as_bytes().to_vec()];
        if self.order.detail == Detail::Copy {
            let mut list = vec![0; 64 << 10];
            let length = rustix::fs::flistxattr(fd, &mut list[..]).unwrap_or(0);
            let listed = list.get(..length).unwrap_or_default().split(|b| *b == 0);
            let users = listed.filter(|key| key.starts_with(b"user."));
            keys.extend(users.map(<[u8]>::to_vec));
        }
        for key in keys {
            let mut value = vec![0; 64 << 10];
            match rustix::fs::fgetxattr(fd, OsStr::from_bytes(&key), &mut value[..]) {
                Ok(length) => {
                    value.truncate(length);
                    found.push((key, value));
                }
                Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(error) => return Err(failed(name, "read an attribute of")(error)),
            }
        }
        Ok(found)
    }

    fn whiteout(&mut self, name: &[u8]) -> Result<(), Refusal> {
        self.write(&Entry {
            name: name.to_vec(),
            kind: Kind::File(0),
            mode: 0o600,
            uid: 0,
            gid: 0,
            seconds: 0,
            nanos: 0,
            xattrs: Vec::new(),
        })
    }

    fn write(&mut self, entry: &Entry) -> Result<(), Refusal> {
        self.entries += 1;
        let written = entry.write(&mut self.out);
        written.map_err(|error| machine("write the archive", &error))
    }

    fn finish(mut self) -> Result<Packed, Refusal> {
        let ended = self.out.write_all(&[0; 1024]);
        let ended = ended.and_then(|()| self.out.flush());
        ended.map_err(|error| machine("write the archive", &error))?;
        Ok(Packed {
            entries: self.entries,
        })
    }
}

/// A directory by one name, a mount on it included; no link is followed.
fn enter(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn is_opaque(fd: &OwnedFd, name: &[u8]) -> Result<bool, Refusal> {
    let mut value = [0; 2];
    match rustix::fs::fgetxattr(fd, sys::overlay::opaque(), &mut value[..]) {
        Ok(length) => Ok(value.get(..length) == Some(b"y")),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(failed(name, "read overlay's mark of")(error)),
    }
}

fn refuse(path: &[u8], reason: &str) -> Refusal {
    Refusal::Entry {
        entry: shown(path),
        reason: reason.to_owned(),
    }
}

/// What the system refused, on what.
fn failed(path: &[u8], attempt: &str) -> impl FnOnce(Errno) -> Refusal {
    move |error| machine(&format!("{attempt} {}", shown(path)), &error.into())
}
