//! Removal of a tree that others wrote: by descriptors, never through a link.
//!
//! At most [`DEPTH`] directories are open at once; deeper ones are first moved next to the
//! tree, under names that `#deep-` starts, so that no depth is too deep.

use rustix::fs::{AtFlags, Dir, FileType, IFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Directories open at once.
const DEPTH: usize = 64;
/// How often a directory is emptied again.
const REFILLS: u32 = 100;

/// Removes `name` in `parent` with everything in it. What is not there is removed already.
/// Flags that make files immutable are taken away. Nobody may write to the tree meanwhile, but
/// for a last few files of who is about to end: these go too.
pub fn remove_tree(parent: impl AsFd, name: &CStr) -> Result<(), Errno> {
    let mut removal = Removal {
        parent: parent.as_fd(),
        moved: 0,
    };
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        removal.remove(name, &mut waiting)?;
    }
    Ok(())
}

struct Removal<'a> {
    parent: BorrowedFd<'a>,
    moved: u64,
}

/// A directory being emptied.
struct Level {
    fd: OwnedFd,
    name: CString,
    entries: Dir,
    /// How often it was empty and then was not.
    refilled: u32,
}

impl Removal<'_> {
    /// Removes one tree; what is too deep in it goes to `waiting`.
    fn remove(&mut self, name: CString, waiting: &mut Vec<CString>) -> Result<(), Errno> {
        let mut levels: Vec<Level> = unlink_or_enter(self.parent, name, None)?
            .into_iter()
            .collect();
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.entries.next() else {
                let Some(done) = levels.pop() else { break };
                let above = levels.last().map_or(self.parent, |level| level.fd.as_fd());
                levels.extend(remove_empty(above, done)?);
                continue;
            };
            let entry = entry?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let name = entry.file_name().to_owned();
            let kind = Some(entry.file_type());
            let Some(next) = unlink_or_enter(level.fd.as_fd(), name, kind)? else {
                continue;
            };
            if levels.len() < DEPTH {
                levels.push(next);
            } else {
                waiting.push(self.lift(level_fd(&levels, self.parent), &next)?);
            }
        }
        Ok(())
    }

    /// Moves a directory next to the tree, and returns its name there.
    fn lift(&mut self, from: BorrowedFd<'_>, level: &Level) -> Result<CString, Errno> {
        loop {
            self.moved += 1;
            let name = format!("#deep-{}-{}", std::process::id(), self.moved);
            let to = CString::new(name).map_err(|_| Errno::INVAL)?;
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(from, &level.name, self.parent, &to, flags) {
                Ok(()) => return Ok(to),
                Err(Errno::EXIST) => {}
                Err(Errno::PERM) if make_mutable(from)? | make_mutable(&level.fd)? => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn level_fd<'a>(levels: &'a [Level], parent: BorrowedFd<'a>) -> BorrowedFd<'a> {
    levels.last().map_or(parent, |level| level.fd.as_fd())
}

/// Unlinks what is no directory; opens what is one.
fn unlink_or_enter(
    parent: BorrowedFd<'_>,
    name: CString,
    kind: Option<FileType>,
) -> Result<Option<Level>, Errno> {
    if !matches!(kind, None | Some(FileType::Directory | FileType::Unknown)) {
        unlink(parent, &name, AtFlags::empty())?;
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, &name, flags, Mode::empty()) {
        Ok(fd) => {
            let entries = Dir::read_from(&fd)?;
            Ok(Some(Level {
                fd,
                name,
                entries,
                refilled: 0,
            }))
        }
        Err(Errno::NOTDIR | Errno::LOOP) => {
            unlink(parent, &name, AtFlags::empty())?;
            Ok(None)
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a directory that was emptied; gives it back if there is something in it again.
fn remove_empty(parent: BorrowedFd<'_>, level: Level) -> Result<Option<Level>, Errno> {
    let Level {
        fd,
        name,
        entries,
        refilled,
    } = level;
    drop(entries);
    drop(fd);
    match unlink(parent, &name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY) if refilled < REFILLS => {
            let again = unlink_or_enter(parent, name, None)?;
            Ok(again.map(|level| Level {
                refilled: refilled + 1,
                ..level
            }))
        }
        removed => removed.map(|()| None),
    }
}

/// As `unlinkat`, and takes away the flags that forbid it.
fn unlink(parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::PERM | Errno::ACCESS) => {
            make_mutable(parent)?;
            // Only these can have such flags, and opening a device may have effects.
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if matches!(kind, FileType::RegularFile | FileType::Directory) {
                let open = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                make_mutable(rustix::fs::openat(parent, name, open, Mode::empty())?)?;
            }
            rustix::fs::unlinkat(parent, name, flags)
        }
        Err(error) => Err(error),
    }
}

/// Whether there was something to take away.
fn make_mutable(fd: impl AsFd) -> Result<bool, Errno> {
    let flags = match rustix::fs::ioctl_getflags(&fd) {
        Ok(flags) => flags,
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
        Err(error) => return Err(error),
    };
    let fixed = IFlags::IMMUTABLE | IFlags::APPEND;
    if flags.intersects(fixed) {
        rustix::fs::ioctl_setflags(&fd, flags - fixed)?;
        return Ok(true);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    /// Writes a few files, until there is nowhere to write.
    fn fill(dir: &OwnedFd, begun: &Sender<()>) {
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let made = |file: u32| rustix::fs::openat(dir, format!("late-{file}"), flags, Mode::RUSR);
        for file in 0..REFILLS - 1 {
            if made(file).is_err() {
                break;
            }
            // Nobody listens after the first.
            begun.send(()).ok();
        }
    }

    #[test]
    fn last_files_of_who_ends_go_too() {
        let dir = tempfile::tempdir().unwrap();
        let parent = OwnedFd::from(std::fs::File::open(dir.path()).unwrap());
        for _ in 0..20 {
            let tree = dir.path().join("tree");
            std::fs::create_dir(&tree).unwrap();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let held = rustix::fs::open(&tree, flags, Mode::empty()).unwrap();
            let (begun, begins) = std::sync::mpsc::channel();
            let ending = std::thread::spawn(move || fill(&held, &begun));
            begins.recv().unwrap();
            remove_tree(&parent, c"tree").unwrap();
            ending.join().unwrap();
            assert!(!tree.exists());
        }
    }
}
