//! What the worker gives up before it reads the first byte.

use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;
use std::os::fd::OwnedFd;
use sys::landlock::{Rights, Ruleset};

use super::machine;
use crate::error::Refusal;

/// What the worker is asked for; each mode needs other rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A blob, in a file that is open.
    Layer,
    /// A tree of a layer's files in a directory.
    Tree,
    /// Blobs in a directory.
    Archive,
    /// Files of a directory as an archive.
    Pack,
    /// An archive's members among the files of a directory.
    Place,
    /// The answer alone: what a manifest or an index says.
    Document,
    /// The answer alone: what an image's configuration says.
    Config,
}

/// The address space: names of 10^7 entries, windows of decompression, buffers.
const MEMORY: u64 = 4 << 30;
/// The address space for a document: a few times what the largest can become as values.
const DOCUMENT_MEMORY: u64 = 1 << 30;

/// Gives up core dumps, memory beyond a bound, new privileges, all capabilities, the file
/// system but for the output, and all system calls but those needed.
pub(super) fn confine(mode: Mode, dir: &OwnedFd) -> Result<(), Refusal> {
    let refused = |attempt: &str, error: io::Error| machine(attempt, &error);
    bound(Resource::Core, 0).map_err(|e| refused("forbid core dumps", e))?;
    bound(Resource::As, memory(mode)).map_err(|e| refused("bound the memory", e))?;
    rustix::thread::set_no_new_privs(true).map_err(|e| refused("set no_new_privs", e.into()))?;
    landlock(mode, dir).map_err(|e| refused("restrict the file system", e))?;
    capabilities(mode).map_err(|e| refused("give up capabilities", e))?;
    let program = filter(mode);
    sys::seccomp::load(&program, 0).map_err(|e| refused("filter system calls", e))?;
    Ok(())
}

fn memory(mode: Mode) -> u64 {
    match mode {
        Mode::Document | Mode::Config => DOCUMENT_MEMORY,
        _ => MEMORY,
    }
}

/// None, but for a tree: what ownership, devices and attributes of files need.
fn capabilities(mode: Mode) -> io::Result<()> {
    let kept = match mode {
        Mode::Layer | Mode::Archive | Mode::Document | Mode::Config => CapabilitySet::empty(),
        Mode::Tree => {
            CapabilitySet::CHOWN
                | CapabilitySet::DAC_OVERRIDE
                | CapabilitySet::FOWNER
                | CapabilitySet::FSETID
                | CapabilitySet::MKNOD
                | CapabilitySet::SETFCAP
                | CapabilitySet::SYS_ADMIN // attributes in `trusted.`
        }
        // Overlay's marks are attributes in `trusted.`.
        Mode::Pack => CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_ADMIN,
        Mode::Place => {
            CapabilitySet::CHOWN
                | CapabilitySet::DAC_OVERRIDE
                | CapabilitySet::FOWNER
                | CapabilitySet::FSETID
                | CapabilitySet::MKNOD
                | CapabilitySet::SETFCAP
        }
    };
    let held = rustix::thread::capabilities(None)?.permitted;
    let sets = CapabilitySets {
        effective: held & kept,
        permitted: held & kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

fn bound(resource: Resource, most: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let most = now.maximum.map_or(most, |maximum| maximum.min(most));
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// A kernel without Landlock is left to the filter, which allows no call that opens by name
/// where no directory is filled.
fn landlock(mode: Mode, dir: &OwnedFd) -> io::Result<()> {
    let Some(ruleset) = Ruleset::deny_all()? else {
        return Ok(());
    };
    match mode {
        Mode::Layer | Mode::Document | Mode::Config => {}
        Mode::Tree | Mode::Place => ruleset.allow_beneath(dir, Rights::FillWithNodes)?,
        Mode::Archive => ruleset.allow_beneath(dir, Rights::Fill)?,
        Mode::Pack => ruleset.allow_beneath(dir, Rights::Read)?,
    }
    ruleset.restrict_self()
}

/// Calls that every mode needs: memory, threads, reading, writing, ending.
const ALWAYS: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What filling a directory needs more.
const ARCHIVE: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_mkdirat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
];

/// What making a tree needs more.
const TREE: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_readlinkat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_getdents64,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fsetxattr,
    libc::SYS_lsetxattr,
    libc::SYS_utimensat,
    libc::SYS_fchdir,
    libc::SYS_ioctl,
];

/// What reading a tree needs more.
const PACK: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
];

/// A straight list: a handful of calls, and none of them is hot.
fn filter(mode: Mode) -> Vec<sys::seccomp::Instruction> {
    let more = match mode {
        Mode::Layer | Mode::Document | Mode::Config => &[],
        Mode::Tree | Mode::Place => TREE,
        Mode::Pack => PACK,
        Mode::Archive => ARCHIVE,
    };
    sys::seccomp::allow_only(ALWAYS.iter().chain(more), &[])
}
