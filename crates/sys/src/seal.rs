//! Executing the running program again from a copy that cannot be written.
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
use rustix::fs::{AtFlags, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags, memfd_create};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// All that makes a memory file unchangeable.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);
const EXE: &str = "/proc/self/exe";
/// `OVERLAYFS_SUPER_MAGIC`
const OVERLAY: u64 = 0x794c_7630;
/// The second layer that an overlay without an upper one must have: any directory that is not
/// above or below the first, and that has nothing by our name.
const SECOND_LAYERS: [&str; 2] = ["/sys", "/dev"];

/// The entry that an executable names to the linker to have itself sealed before all else.
#[cfg(target_arch = "x86_64")]
pub const ENTRY: &str = "corten_sealed_start";

/// What the copy that we run from is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// A file of a read-only overlay.
    Overlay,
    /// A sealed memory file.
    Memory,
}

/// Executes this program again from a copy that cannot be written, unless it runs from one.
///
/// The copy is a read-only overlay over the program's directory, in a mount that nobody can
/// reach: unlike a read-only bind mount it has no writable layer, so no privilege inside a
/// container makes it writable, and unlike a memory file it costs no copying. Where there can be
/// no overlay it is a sealed memory file.
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
    if let Ok(copy) = overlaid() {
        // Whatever refuses to execute it, the other way is still open.
        drop(execute(&copy, &arguments, &environment));
    }
    Err(execute(&sealed_copy(&exe)?, &arguments, &environment))
}

fn strings(lines: impl Iterator<Item = Vec<u8>>) -> io::Result<Strings> {
    let strings: Result<Vec<CString>, _> = lines.map(CString::new).collect();
    Ok(Strings::new(strings.map_err(io::Error::other)?))
}

/// Whether this is a copy already. Only memory files have seals. A read-only overlay is ours if
/// our path there does not lead to the same file here: nobody else's mounts are out of reach.
fn sealed(exe: &OwnedFd) -> io::Result<Option<Sealed>> {
    match rustix::fs::fcntl_get_seals(exe) {
        Ok(seals) => return Ok(seals.contains(SEALS).then_some(Sealed::Memory)),
        Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let overlay = u64::try_from(rustix::fs::fstatfs(exe)?.f_type) == Ok(OVERLAY);
    if !overlay
        || !rustix::fs::fstatvfs(exe)?
            .f_flag
            .contains(StatVfsMountFlags::RDONLY)
    {
        return Ok(None);
    }
    let own = rustix::fs::fstat(exe)?;
    let path = std::fs::read_link(EXE)?;
    let here = rustix::fs::stat(&path);
    let same = here.is_ok_and(|here| (here.st_dev, here.st_ino) == (own.st_dev, own.st_ino));
    Ok((!same).then_some(Sealed::Overlay))
}

/// This program in a read-only overlay that is mounted nowhere.
fn overlaid() -> io::Result<OwnedFd> {
    let path = std::fs::read_link(EXE)?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let special = |byte: &u8| matches!(byte, b':' | b'\\' | b',');
    if directory.as_os_str().as_bytes().iter().any(special) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let second = SECOND_LAYERS
        .iter()
        .find(|second| !directory.starts_with(second) && directory != Path::new("/"))
        .ok_or(io::ErrorKind::InvalidInput)?;
    let layers = format!("{}:{second}", directory.display());
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "lowerdir", layers.as_str())?;
    rustix::mount::fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mount = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let copy = rustix::fs::openat(&mount, name, flags, Mode::empty())?;
    // The file must be the one that we run from: its path can have become another's.
    let (own, found) = (
        rustix::fs::stat(EXE)?,
        rustix::fs::statat(&copy, "", AtFlags::EMPTY_PATH)?,
    );
    let same = (own.st_size, own.st_mtime, own.st_mtime_nsec, own.st_mode)
        == (
            found.st_size,
            found.st_mtime,
            found.st_mtime_nsec,
            found.st_mode,
        );
    match same {
        true => Ok(copy),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

fn sealed_copy(exe: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Since 6.3 a memory file is executable only if that is asked for, which older ones refuse.
    let copy = match memfd_create("corten", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("corten", flags),
        copy => copy,
    }?;
    let mut rest = usize::try_from(rustix::fs::fstat(exe)?.st_size).unwrap_or(0);
    while rest > 0 {
        match rustix::fs::sendfile(&copy, exe, None, rest)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => rest -= count,
        }
    }
    rustix::fs::fcntl_add_seals(&copy, SEALS)?;
    Ok(copy)
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
