//! What the process gives up before it reads anything of a sandbox's.

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::landlock::{Rights, Ruleset};
use sys::seccomp::Exactly;

/// Where the host's `resolv.conf` is, or what it links to.
const RESOLVERS: [&str; 2] = ["/etc", "/run"];

/// Keeps of its privileges only the one to enter sandboxes' networks, of the file system what it
/// reads and removes, of the system calls those that it makes, and takes as many descriptors as
/// it may. `directory` is its own.
pub(crate) fn harden(directory: &Path) -> io::Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, all)?;
    set_no_new_privs(true)?;
    let kept = capabilities(None)?.permitted & CapabilitySet::SYS_ADMIN;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    files(directory)?;
    sys::seccomp::load(&sys::seccomp::allow_only(CALLS.iter(), &NETWORKS_ALONE), 0)?;
    Ok(())
}

/// A kernel without Landlock has the other bounds.
fn files(directory: &Path) -> io::Result<()> {
    let Some(ruleset) = Ruleset::deny_all_but_network()? else {
        return Ok(());
    };
    for readable in RESOLVERS {
        // A host without one has no file there.
        if let Ok(place) = open(Path::new(readable)) {
            ruleset.allow_beneath(place, Rights::Read)?;
        }
    }
    ruleset.allow_beneath(open(directory)?, Rights::Remove)?;
    if let Some(parent) = directory.parent() {
        ruleset.allow_beneath(open(parent)?, Rights::RemoveDirectories)?;
    }
    ruleset.restrict_self()
}

fn open(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory, flags, Mode::empty())?)
}

/// Of namespaces, networks alone are joined.
const NETWORKS_ALONE: [Exactly; 1] = [(libc::SYS_setns, 1, libc::CLONE_NEWNET as u32)];

/// Sockets and what passes through them, the host's `resolv.conf`, waiting, memory, ending.
const CALLS: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_pipe2,
    libc::SYS_splice,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_ioctl,
    libc::SYS_fcntl,
    libc::SYS_close,
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_getdents64,
    libc::SYS_unlinkat,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_socketpair,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
];
