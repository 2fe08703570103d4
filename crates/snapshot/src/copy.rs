//! A tree that is a copy of layers, for file systems that overlay cannot write to.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps};
use rustix::fs::{Gid, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use types::Layer;

use crate::error::Error;

/// Overlay's own attributes, of either kind, are no part of a file.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// Bytes of a file that are copied at once.
const PIECE: usize = 256 << 10;
/// The longest path that the kernel takes, and room to spare.
const PATH: usize = 4000;
/// The most bytes of attributes' names, and of one value.
const ATTRIBUTES: usize = 64 << 10;

/// Copies these layers, the topmost first, into `tree`, an empty directory that nobody else
/// writes to; `path` is for errors.
pub(crate) fn layers(layers: &[Layer], tree: &OwnedFd, path: &Path) -> Result<(), Error> {
    for layer in layers.iter().rev() {
        let (Layer::Erofs(from) | Layer::Directory(from)) = layer;
        let source = match layer {
            Layer::Erofs(image) => sys::mount::erofs(image),
            Layer::Directory(dir) => rustix::fs::openat(CWD, dir, directory(), Mode::empty()),
        };
        let source = source.map_err(Error::io("open", from))?;
        let mut copying = Copying {
            root: tree,
            links: HashMap::new(),
            piece: vec![0; PIECE],
        };
        let copied = copying.tree(&source);
        copied.map_err(Error::io("copy a layer to", path))?;
    }
    Ok(())
}

/// One layer on its way into the tree.
struct Copying<'a> {
    root: &'a OwnedFd,
    /// Where the first of several names of an inode is.
    links: HashMap<u64, CString>,
    piece: Vec<u8>,
}

/// A directory of the layer and the one that it goes to.
struct Level {
    from: OwnedFd,
    to: OwnedFd,
    names: Vec<CString>,
    path: Vec<u8>,
}

impl Level {
    fn open(from: OwnedFd, to: OwnedFd, path: Vec<u8>) -> Result<Self, Errno> {
        let from = rustix::fs::openat(&from, ".", directory(), Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&from)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(Self {
            from,
            to,
            names,
            path,
        })
    }

    /// Its times are set when nothing is made in it any more.
    fn close(&self) -> Result<(), Errno> {
        rustix::fs::futimens(&self.to, &times(&rustix::fs::fstat(&self.from)?))
    }
}

impl Copying<'_> {
    fn tree(&mut self, source: &OwnedFd) -> Result<(), io::Error> {
        let (from, to) = (source.try_clone()?, self.root.try_clone()?);
        describe(&rustix::fs::fstat(&from)?, &from, &to)?;
        let mut levels = vec![Level::open(from, to, Vec::new())?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                level.close()?;
                levels.pop();
                continue;
            };
            if let Some(below) = self.entry(level, &name)? {
                levels.push(below);
            }
        }
        Ok(())
    }

    /// One entry; a directory is given back, to be gone through.
    fn entry(&mut self, level: &Level, name: &CStr) -> Result<Option<Level>, io::Error> {
        let stat = rustix::fs::statat(&level.from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let path = match level.path.as_slice() {
            b"" => name.to_bytes().to_vec(),
            above => [above, b"/", name.to_bytes()].concat(),
        };
        if kind == FileType::Directory {
            let (from, to) = self.enter(level, name, &stat)?;
            return Ok(Some(Level::open(from, to, path)?));
        }
        sys::removal::remove_tree(&level.to, name)?;
        let whiteout = kind == FileType::CharacterDevice && stat.st_rdev == 0;
        if whiteout || self.linked(level, name, &stat)? {
            return Ok(None);
        }
        self.make(level, name, &stat)?;
        if stat.st_nlink > 1 && path.len() < PATH {
            self.links.insert(stat.st_ino, CString::new(path)?);
        }
        Ok(None)
    }

    fn enter(
        &self,
        level: &Level,
        name: &CStr,
        stat: &Stat,
    ) -> Result<(OwnedFd, OwnedFd), io::Error> {
        let from = rustix::fs::openat(&level.from, name, directory(), Mode::empty())?;
        let there = rustix::fs::statat(&level.to, name, AtFlags::SYMLINK_NOFOLLOW);
        let kept = there.is_ok_and(|there| {
            FileType::from_raw_mode(there.st_mode) == FileType::Directory && !is_opaque(&from)
        });
        if !kept {
            sys::removal::remove_tree(&level.to, name)?;
            rustix::fs::mkdirat(&level.to, name, Mode::RWXU)?;
        }
        let to = rustix::fs::openat(&level.to, name, directory(), Mode::empty())?;
        describe(stat, &from, &to)?;
        Ok((from, to))
    }

    /// Makes another name of an inode that is there already; says whether it was.
    fn linked(&self, level: &Level, name: &CStr, stat: &Stat) -> Result<bool, Errno> {
        let Some(first) = self.links.get(&stat.st_ino) else {
            return Ok(false);
        };
        rustix::fs::linkat(self.root, first, &level.to, name, AtFlags::empty())?;
        Ok(true)
    }

    fn make(&mut self, level: &Level, name: &CStr, stat: &Stat) -> Result<(), io::Error> {
        let (from, to) = (&level.from, &level.to);
        let owner = Mode::RUSR | Mode::WUSR;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                let target = rustix::fs::openat(to, name, flags, owner)?;
                self.contents(&File::from(source), &File::from(target), stat)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&target, to, name)?;
            }
            kind => rustix::fs::mknodat(to, name, kind, owner, stat.st_rdev)?,
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
        let target = rustix::fs::openat(to, name, flags, Mode::empty())?;
        describe(stat, &source, &target)?;
        Ok(rustix::fs::utimensat(
            to,
            name,
            &times(stat),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// What is a hole stays one; a file system that can share blocks does.
    fn contents(&mut self, from: &File, to: &File, stat: &Stat) -> Result<(), io::Error> {
        if rustix::fs::ioctl_ficlone(to, from).is_ok() {
            return Ok(());
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        to.set_len(size)?;
        let mut at = 0;
        while at < size {
            at = match rustix::fs::seek(from, SeekFrom::Data(at)) {
                Ok(data) => data,
                // Nothing but a hole up to the end.
                Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let end = rustix::fs::seek(from, SeekFrom::Hole(at))?;
            while at < end {
                let most = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
                let count = from.read_at(&mut self.piece[..most], at)?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                to.write_all_at(&self.piece[..count], at)?;
                at += count as u64;
            }
        }
        Ok(())
    }
}

/// Gives `to` the owner, mode and attributes of `from`, in this order: a change of owner takes
/// set-id bits and capabilities away.
pub(crate) fn describe(stat: &Stat, from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    // A descriptor that was opened by path alone is reached by its name in procfs.
    let (source, target) = (named(from), named(to));
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        rustix::fs::chmod(&target, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    }
    let kept = attributes(&source)?;
    for name in attributes(&target)? {
        if !kept.contains(&name) {
            rustix::fs::removexattr(&target, OsStr::from_bytes(&name))?;
        }
    }
    let mut value = vec![0; ATTRIBUTES];
    for name in kept {
        let name = OsStr::from_bytes(&name);
        let length = rustix::fs::getxattr(&source, name, value.as_mut_slice())?;
        rustix::fs::setxattr(&target, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

fn named(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

fn attributes(path: &str) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = vec![0; ATTRIBUTES];
    let length = match rustix::fs::listxattr(path, names.as_mut_slice()) {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = names[..length].split(|byte| *byte == 0);
    let own =
        |name: &&[u8]| !name.is_empty() && !OVERLAY.iter().any(|overlay| name.starts_with(overlay));
    Ok(names.filter(own).map(<[u8]>::to_vec).collect())
}

fn is_opaque(dir: &OwnedFd) -> bool {
    let mut value = [0; 1];
    rustix::fs::fgetxattr(dir, sys::overlay::opaque(), value.as_mut_slice()).is_ok()
        && value == *b"y"
}

pub(crate) fn times(stat: &Stat) -> Timestamps {
    let time = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or_default(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
