//! Calls that change or sync files: told from others, skipped, answered.

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;
use std::fs;

/// Calls on a descriptor that change what it is open on, or sync it.
const BY_DESCRIPTOR: &[i64] = &[
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_fsetxattr,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_syncfs,
];
/// Calls that change a directory.
const BY_NAME: &[i64] = &[
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_fchownat,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
];

/// Whether a thread that stands still enters such a call.
pub(crate) fn enters(thread: Pid) -> bool {
    let Some((number, first, third)) = call(thread) else {
        return false;
    };
    let makes = libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY;
    if number == libc::SYS_openat {
        return third & u64::from(makes.unsigned_abs()) != 0;
    }
    BY_NAME.contains(&number) || BY_DESCRIPTOR.contains(&number) && is_file(thread, first)
}

/// Neither a pipe nor a socket nor anything else that is no file on a disk.
fn is_file(thread: Pid, descriptor: u64) -> bool {
    let target = fs::read_link(format!("/proc/{thread}/fd/{descriptor}"));
    target.is_ok_and(|target| target.is_absolute() && !target.starts_with("/dev"))
}

/// The number of a call that a thread enters, its first and its third argument.
#[cfg(target_arch = "x86_64")]
fn call(thread: Pid) -> Option<(i64, u64, u64)> {
    let registers = ptrace::getregs(thread).ok()?;
    // So it is at entries alone.
    let enters = registers.rax.cast_signed() == -i64::from(libc::ENOSYS);
    enters.then_some((
        registers.orig_rax.cast_signed(),
        registers.rdi,
        registers.rdx,
    ))
}

/// Lets the call that a thread enters be none.
#[cfg(target_arch = "x86_64")]
pub(crate) fn skip(thread: Pid) -> Result<(), Errno> {
    let mut registers = ptrace::getregs(thread)?;
    registers.orig_rax = u64::MAX;
    ptrace::setregs(thread, registers)
}

/// Gives the call from which a thread returns an error.
#[cfg(target_arch = "x86_64")]
pub(crate) fn answer(thread: Pid, errno: i32) -> Result<(), Errno> {
    let mut registers = ptrace::getregs(thread)?;
    registers.rax = (-i64::from(errno)).cast_unsigned();
    ptrace::setregs(thread, registers)
}

#[cfg(not(target_arch = "x86_64"))]
fn call(_: Pid) -> Option<(i64, u64, u64)> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn skip(_: Pid) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn answer(_: Pid, _: i32) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}
