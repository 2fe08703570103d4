//! Executables that cannot be written while they run, and executing the running program again
//! as one.
#![expect(unsafe_code, reason = "execveat takes vectors of raw pointers")]

#[cfg(all(target_arch = "x86_64", not(debug_assertions)))]
mod early;
#[cfg(all(target_arch = "x86_64", debug_assertions))]
mod early {
    //! Without optimisation the smallest function is called through tables that are not
    //! relocated yet: the entry leads on, and [`super::ensure`] seals.
    core::arch::global_asm!(
        ".globl corten_sealed_start",
        ".hidden corten_sealed_start",
        ".type corten_sealed_start, @function",
        "corten_sealed_start:",
        "jmp _start",
    );
}

use crate::exec::Strings;
use crate::mount::{Change, Extent, attribute, set_attributes};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags, memfd_create};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// All that makes a memory file unchangeable.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);
const EXE: &str = "/proc/self/exe";

/// The entry that an executable names to the linker to have itself sealed before all else.
#[cfg(target_arch = "x86_64")]
pub const ENTRY: &str = "corten_sealed_start";

/// What we run from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The file through a read-only mount that is nowhere.
    Mount,
    /// A sealed memory file.
    Memory,
}

/// An executable, held so that nobody who runs it or sees it run can change it: whatever a
/// container reaches as `/proc/PID/exe` cannot be opened for writing.
///
/// It is the file itself through a read-only mount that is nowhere: no copy, and the page cache's
/// pages. The mount has left its namespace, because the attributes of one that is still held
/// as a tree can be changed by whoever has `CAP_SYS_ADMIN` in any mount namespace and comes by a
/// descriptor. Where that cannot be made (no privilege, Linux before 5.12) it is a sealed copy in
/// memory.
///
/// # Errors
/// That of the copy: no such file, or no memory.
pub fn hold(file: &Path) -> io::Result<OwnedFd> {
    mount(file).or_else(|_| copy(file))
}

/// Executes this program again so that it cannot be written ([`hold`]), unless that was done.
///
/// # Errors
/// If it cannot be held or executed.
pub fn ensure() -> io::Result<Sealed> {
    let exe = rustix::fs::open(EXE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    if let Some(sealed) = sealed(&exe)? {
        return Ok(sealed);
    }
    let arguments = std::env::args_os().map(OsStringExt::into_vec);
    let arguments = strings(arguments)?;
    let environment = strings(std::env::vars_os().map(|(name, value)| {
        let mut line = name.into_vec();
        line.push(b'=');
        line.extend(value.into_vec());
        line
    }))?;
    if let Ok(held) = mount(Path::new(EXE)) {
        // Whatever refuses to execute it, the other way is still open.
        drop(execute(&held, &arguments, &environment));
    }
    let held = copy(Path::new(EXE))?;
    Err(execute(&held, &arguments, &environment))
}

fn strings(lines: impl Iterator<Item = Vec<u8>>) -> io::Result<Strings> {
    let strings: Result<Vec<CString>, _> = lines.map(CString::new).collect();
    Ok(Strings::new(strings.map_err(io::Error::other)?))
}

/// Whether this was executed by us. Only memory files have all seals; and only a file that is the
/// root of a mount which is nowhere has such a path.
fn sealed(exe: &OwnedFd) -> io::Result<Option<Sealed>> {
    match rustix::fs::fcntl_get_seals(exe) {
        Ok(seals) if seals.contains(SEALS) => return Ok(Some(Sealed::Memory)),
        // Files of a tmpfs have some.
        Ok(_) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = rustix::fs::fstatvfs(exe)?.f_flag;
    let nowhere = std::fs::read_link(EXE)? == Path::new("/");
    Ok((nowhere && flags.contains(StatVfsMountFlags::RDONLY)).then_some(Sealed::Mount))
}

fn mount(file: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, file, flags)?;
    let change = Change {
        set: attribute::RDONLY | attribute::NOSUID | attribute::NODEV,
        ..Change::default()
    };
    set_attributes(tree.as_fd(), c"", &change, Extent::Mount)?;
    // As its tree is closed, the mount leaves its namespace.
    let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
    let held = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    Ok(held)
}

fn copy(file: &Path) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Since 6.3 a memory file is executable only if that is asked for, which older ones refuse.
    let copy = match memfd_create("corten", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("corten", flags),
        copy => copy,
    }?;
    let mut copy = std::fs::File::from(copy);
    io::copy(&mut std::fs::File::open(file)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SEALS)?;
    Ok(copy.into())
}

fn execute(program: &OwnedFd, arguments: &Strings, environment: &Strings) -> io::Error {
    // SAFETY: the empty path is null-terminated; both vectors end with a null pointer and point
    // to null-terminated strings that live as long as `arguments` and `environment`.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::{Read, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// What a container could try with what it sees of an executable that runs: to make its mount
    /// writable, and to write it once it has ended.
    fn attack(held: &OwnedFd) -> io::Result<()> {
        let mut child = Command::new(format!("/proc/self/fd/{}", held.as_raw_fd()));
        let child = child.arg0("cat").stdin(Stdio::piped());
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // Once it answers, nothing of its execution goes on beside us.
        input.write_all(b"?").unwrap();
        output.read_exact(&mut [0]).unwrap();
        let exe = format!("/proc/{}/exe", child.id());
        let exe = rustix::fs::open(exe, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        drop(input);
        child.wait().unwrap();
        let writable = Change {
            clear: attribute::RDONLY,
            ..Change::default()
        };
        drop(set_attributes(exe.as_fd(), c"", &writable, Extent::Mount));
        let path = format!("/proc/self/fd/{}", exe.as_raw_fd());
        OpenOptions::new().write(true).open(&path)?.write_all(b"#")
    }

    #[test]
    fn what_is_held_cannot_be_written_by_who_sees_it_run() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("cat");
        fs::copy("/bin/cat", &file).unwrap();
        let errno = |held| attack(&held).unwrap_err().raw_os_error();
        assert_eq!(errno(copy(&file).unwrap()), Some(libc::EPERM));
        let Ok(held) = mount(&file) else {
            println!("skipped: needs CAP_SYS_ADMIN for a detached mount");
            return;
        };
        assert_eq!(errno(held), Some(libc::EROFS));
        // A mount that is held as a tree is no protection.
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, &file, flags).unwrap();
        let read_only = Change {
            set: attribute::RDONLY,
            ..Change::default()
        };
        set_attributes(tree.as_fd(), c"", &read_only, Extent::Mount).unwrap();
        attack(&tree).unwrap();
    }
}
