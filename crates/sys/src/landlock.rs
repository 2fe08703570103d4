//! Landlock: a process forbids itself the file system, the network and signals to others.
#![expect(unsafe_code, reason = "no library wraps Landlock's three calls")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The kernel's `struct landlock_ruleset_attr` up to version 6 of the interface.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    fs: u64,
    net: u64,
    scoped: u64,
}

/// The kernel's `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
#[derive(Debug)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

const VERSION: u32 = 1;
const PATH_BENEATH: u32 = 1;
/// Access rights to the file system in version 1, 2, 3 and 5.
const FS: [(u32, u64); 4] = [(1, 0x1fff), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15)];
/// Binding and connecting TCP sockets, since version 4.
const NET: u64 = 3;
/// Abstract sockets and signals, since version 6.
const SCOPED: u64 = 3;
const EXECUTE: u64 = 1;
const MAKE_CHARACTER: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
/// Everything of version 3 but executing.
const FILL: u64 = 0x7fff & !EXECUTE;

/// Reading files and directories.
const READ: u64 = 1 << 2 | 1 << 3;
/// Listing a directory, removing directories and files in it.
const REMOVE: u64 = 1 << 3 | REMOVE_DIRECTORY | 1 << 5;
const REMOVE_DIRECTORY: u64 = 1 << 4;

/// What is allowed beneath a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// To make, read, write, rename and remove files and directories.
    Fill,
    /// Device nodes too.
    FillWithNodes,
    /// To read files and directories.
    Read,
    /// To list directories, and to remove what is in them.
    Remove,
    /// To remove empty directories.
    RemoveDirectories,
}

/// What is forbidden, and where it is allowed after all.
#[derive(Debug)]
pub struct Ruleset {
    fd: OwnedFd,
    fs: u64,
}

impl Ruleset {
    /// Forbids all that this kernel can forbid; `None` if it has no Landlock.
    pub fn deny_all() -> io::Result<Option<Self>> {
        Self::deny(NET)
    }

    /// Forbids all but the network.
    pub fn deny_all_but_network() -> io::Result<Option<Self>> {
        Self::deny(0)
    }

    fn deny(net: u64) -> io::Result<Option<Self>> {
        let version = match version() {
            Ok(version) => version,
            Err(error) => {
                return match error.raw_os_error() {
                    Some(libc::ENOSYS | libc::EOPNOTSUPP) => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let known = FS.iter().filter(|(since, _)| version >= *since);
        let fs = known.fold(0, |all, (_, rights)| all | rights);
        let attributes = Attributes {
            fs,
            net: if version >= 4 { net } else { 0 },
            scoped: if version >= 6 { SCOPED } else { 0 },
        };
        let size: usize = match version {
            ..4 => 8,
            4..6 => 16,
            _ => 24,
        };
        // SAFETY: the attributes are `size` bytes that the kernel reads.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attributes,
                size,
                0,
            )
        };
        let fd = i32::try_from(result).unwrap_or(-1);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call returned a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Some(Self { fd, fs }))
    }

    /// Allows `rights` beneath `directory`.
    pub fn allow_beneath(&self, directory: impl AsFd, rights: Rights) -> io::Result<()> {
        let allowed = match rights {
            Rights::Fill => FILL & !(MAKE_CHARACTER | MAKE_BLOCK),
            Rights::FillWithNodes => FILL,
            Rights::Read => READ,
            Rights::Remove => REMOVE,
            Rights::RemoveDirectories => REMOVE_DIRECTORY,
        };
        let rule = Beneath {
            allowed: allowed & self.fs,
            parent: directory.as_fd().as_raw_fd(),
        };
        // SAFETY: the rule is of the type that PATH_BENEATH says, and its descriptor is open.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.fd.as_raw_fd(),
                PATH_BENEATH,
                &raw const rule,
                0,
            )
        };
        done(result)
    }

    /// Applies the rules to this thread and those it will start. Needs `no_new_privs`.
    pub fn restrict_self(self) -> io::Result<()> {
        // SAFETY: takes a descriptor and flags only.
        let result =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.fd.as_raw_fd(), 0) };
        done(result)
    }
}

fn version() -> io::Result<u32> {
    let none: *const Attributes = std::ptr::null();
    // SAFETY: with VERSION the kernel reads no attributes.
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    u32::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn done(result: libc::c_long) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
