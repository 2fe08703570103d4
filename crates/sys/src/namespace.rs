//! Kinds of namespaces, leaving them and joining them.
#![expect(unsafe_code, reason = "unshare may change what other code relies on")]

use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::LazyLock;

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Users and capabilities; the others belong to one of it.
    User,
    /// Control groups.
    Cgroup,
    /// System V and POSIX message queues.
    Ipc,
    /// Host and domain name.
    Uts,
    /// Interfaces, addresses, sockets.
    Network,
    /// Process numbers.
    Pid,
    /// Offsets of the monotonic and boot clocks; since Linux 5.6.
    Time,
    /// Mounts.
    Mount,
}

impl Kind {
    /// All kinds, in the order in which they are joined.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Cgroup,
        Self::Ipc,
        Self::Uts,
        Self::Network,
        Self::Pid,
        Self::Time,
        Self::Mount,
    ];

    /// The `CLONE_NEW*` bit.
    #[expect(clippy::cast_sign_loss, reason = "bits of a positive constant")]
    pub const fn flag(self) -> u64 {
        (match self {
            Self::User => libc::CLONE_NEWUSER,
            Self::Cgroup => libc::CLONE_NEWCGROUP,
            Self::Ipc => libc::CLONE_NEWIPC,
            Self::Uts => libc::CLONE_NEWUTS,
            Self::Network => libc::CLONE_NEWNET,
            Self::Pid => libc::CLONE_NEWPID,
            Self::Time => libc::CLONE_NEWTIME,
            Self::Mount => libc::CLONE_NEWNS,
        }) as u64
    }

    /// The name in `/proc/PID/ns`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Network => "net",
            Self::Pid => "pid",
            Self::Time => "time",
            Self::Mount => "mnt",
        }
    }

    const fn link(self) -> LinkNameSpaceType {
        match self {
            Self::User => LinkNameSpaceType::User,
            Self::Cgroup => LinkNameSpaceType::ControlGroup,
            Self::Ipc => LinkNameSpaceType::InterProcessCommunication,
            Self::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
            Self::Network => LinkNameSpaceType::Network,
            Self::Pid => LinkNameSpaceType::ProcessID,
            Self::Time => LinkNameSpaceType::Time,
            Self::Mount => LinkNameSpaceType::Mount,
        }
    }
}

/// Joins the namespace that `fd`, a file of `/proc/PID/ns` or a copy of it, is of.
///
/// A pid or time namespace is joined by later children only (time: also by the caller).
pub fn join(fd: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(fd, Some(kind.link())).map_err(io::Error::from)
}

/// Joins several namespaces of the process behind a pidfd at once; since Linux 5.8.
pub fn join_process(pidfd: BorrowedFd<'_>, kinds: u64) -> io::Result<()> {
    let bits = u32::try_from(kinds).map_err(|_| io::ErrorKind::InvalidInput)?;
    let kinds = ThreadNameSpaceType::from_bits_retain(bits);
    rustix::thread::move_into_thread_name_spaces(pidfd, kinds).map_err(io::Error::from)
}

/// Leaves the namespaces of these kinds for new ones; pid and time: for later children.
pub fn unshare(kinds: u64) -> io::Result<()> {
    let bits = u32::try_from(kinds).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: only CLONE_FILES is unsafe to unshare; kinds of namespaces never include it.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::from_bits_retain(bits)) }
        .map_err(io::Error::from)
}

/// Whether we are in the user namespace that the kernel began with. In another, whoever mounts a
/// procfs must see all of one: `mount_too_revealing` in the kernel's fs/namespace.c.
pub fn is_first_of_users() -> io::Result<bool> {
    // The number that it always has; `USER_NS_INIT_INO` of linux/nsfs.h since Linux 6.18.
    const FIRST: u64 = 0xEFFF_FFFD;
    Ok(rustix::fs::stat(c"/proc/self/ns/user")?.st_ino == FIRST)
}

/// Whether the ids of the user namespace that we are in are not the host's, so that being root
/// says nothing about what the host's root has. See user_namespaces(7), "/proc/pid/uid_map".
/// Looked up once: whoever changes its own does so before it asks.
pub fn maps_users() -> bool {
    static MAPS: LazyLock<bool> = LazyLock::new(|| {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
    });
    *MAPS
}
