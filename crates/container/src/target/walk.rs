//! A path walked name by name, where the kernel's own walk ends at what is missing.
//!
//! The walk keeps the path that it has come to, in which nothing is a link, and what is still to
//! be walked; a link puts its value before the latter. Each look-up starts at the root and
//! follows no link, so a name that becomes one under our feet is an error and leads nowhere.

use super::{Links, make};
use rustix::fs::{
    FileType, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstat, fstatfs, readlinkat_raw,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `PATH_MAX`
const LONGEST: usize = 4096;
/// As the kernel.
const MOST_LINKS: usize = 40;

/// Opens a path inside the root as `O_PATH` and makes what is missing of it: directories, and at
/// last what `last` is.
pub(super) fn make_missing(
    root: BorrowedFd<'_>,
    path: &CStr,
    last: FileType,
    links: Links,
) -> Result<OwnedFd, Errno> {
    let mut walk = Walk {
        root,
        here: Text::default(),
        rest: Text::default(),
    };
    walk.rest.append(path.to_bytes())?;
    let mut found = walk.open()?;
    let mut followed = 0;
    let mut name = Text::default();
    while walk.rest.take_name(&mut name)? {
        match name.bytes() {
            b"." => continue,
            b".." => {
                walk.here.pop();
                found = walk.open()?;
                continue;
            }
            _ => {}
        }
        let before = walk.here.length;
        walk.here.push(name.bytes())?;
        let next = match walk.open() {
            Err(Errno::NOENT) => {
                let kind = match walk.rest.is_only_slashes() {
                    true => last,
                    false => FileType::Directory,
                };
                make(found.as_fd(), name.c()?, kind)?;
                walk.open()?
            }
            opened => opened?,
        };
        if FileType::from_raw_mode(fstat(&next)?.st_mode) != FileType::Symlink {
            found = next;
            continue;
        }
        followed += 1;
        // A link of procfs can be a magic one, which leads elsewhere than it says.
        if links == Links::Refuse || followed > MOST_LINKS || on_procfs(&next)? {
            return Err(Errno::LOOP);
        }
        walk.here.cut(before);
        if walk.follow(next.as_fd())? {
            found = walk.open()?;
        }
    }
    Ok(found)
}

fn on_procfs(link: &OwnedFd) -> Result<bool, Errno> {
    Ok(fstatfs(link)?.f_type == PROC_SUPER_MAGIC)
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    here: Text,
    rest: Text,
}

impl Walk<'_> {
    /// Opens where the walk is; a link is opened itself if it is the last name.
    fn open(&self) -> Result<OwnedFd, Errno> {
        let path = match self.here.length {
            0 => c".",
            _ => self.here.c()?,
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        sys::resolve::open(self.root, path, OFlags::PATH | OFlags::NOFOLLOW, resolve)
    }

    /// Puts a link's value before the rest; says whether the walk starts again at the root.
    fn follow(&mut self, link: BorrowedFd<'_>) -> Result<bool, Errno> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); LONGEST];
        let (value, _) = readlinkat_raw(link, c"", &mut buffer)?;
        let mut rest = Text::default();
        rest.append(value)?;
        rest.append(b"/")?;
        rest.append(self.rest.bytes())?;
        self.rest = rest;
        let absolute = value.first() == Some(&b'/');
        if absolute {
            self.here.cut(0);
        }
        Ok(absolute)
    }
}

/// A path of bounded length; a null byte follows it.
struct Text {
    buffer: [u8; LONGEST],
    length: usize,
    /// What was taken from the front.
    start: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            buffer: [0; LONGEST],
            length: 0,
            start: 0,
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.length]
    }

    fn c(&self) -> Result<&CStr, Errno> {
        let bytes = &self.buffer[self.start..=self.length];
        CStr::from_bytes_with_nul(bytes).map_err(|_| Errno::INVAL)
    }

    fn append(&mut self, more: &[u8]) -> Result<(), Errno> {
        let end = self.length + more.len();
        let room = self.buffer.get_mut(self.length..end);
        room.filter(|_| end < LONGEST)
            .ok_or(Errno::NAMETOOLONG)?
            .copy_from_slice(more);
        self.length = end;
        Ok(())
    }

    /// One name more.
    fn push(&mut self, name: &[u8]) -> Result<(), Errno> {
        if self.length > 0 {
            self.append(b"/")?;
        }
        self.append(name)
    }

    /// One name less; the root stays.
    fn pop(&mut self) {
        let slash = self.bytes().iter().rposition(|byte| *byte == b'/');
        self.cut(slash.unwrap_or(0));
    }

    fn cut(&mut self, length: usize) {
        self.buffer[length..self.length].fill(0);
        self.length = length;
    }

    fn is_only_slashes(&self) -> bool {
        self.bytes().iter().all(|byte| *byte == b'/')
    }

    /// Takes the first name; says whether there was one.
    fn take_name(&mut self, name: &mut Self) -> Result<bool, Errno> {
        let rest = self.bytes();
        let Some(first) = rest.iter().position(|byte| *byte != b'/') else {
            return Ok(false);
        };
        let rest = &rest[first..];
        let length = rest.iter().position(|byte| *byte == b'/');
        let length = length.unwrap_or(rest.len());
        name.cut(0);
        name.append(&rest[..length])?;
        self.start += first + length;
        Ok(true)
    }
}
