//! Descriptors by number: ranges to close, numbers that a caller promised to be open.
#![expect(unsafe_code, reason = "numbers become borrowed descriptors")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// What to do with a range of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Close them now.
    Close,
    /// Close them at the next exec.
    CloseOnExec,
}

/// Closes `first` to `last`, both included, now or at exec. Numbers not open are passed over.
///
/// Only for a process between clone and exec: owners of the descriptors do not learn of it.
pub fn close_range(first: u32, last: u32, how: Range) -> io::Result<()> {
    let flags = match how {
        Range::Close => 0,
        Range::CloseOnExec => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: no memory is passed; a descriptor used after its number was closed gives EBADF.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has a table of descriptors of this thread's own from here on.
pub fn unshare() -> io::Result<()> {
    // SAFETY: no memory is passed; the descriptors stay what they are.
    match unsafe { libc::unshare(libc::CLONE_FILES) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Closes every descriptor from 3 that `keep` does not name; `keep` must be sorted.
pub fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut first = 3_u32;
    for fd in keep.iter().filter_map(|fd| u32::try_from(*fd).ok()) {
        if fd < first {
            continue;
        }
        if fd > first {
            close_range(first, fd - 1, Range::Close)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX, Range::Close)
}

/// The descriptor with this number, for a caller that keeps it open as long as `'fd`.
pub fn borrow<'fd>(number: RawFd) -> Option<BorrowedFd<'fd>> {
    // SAFETY: F_GETFD only reads; any number is allowed.
    let open = number >= 0 && unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    // SAFETY: it was open just now, is not -1, and the caller keeps it so.
    open.then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Makes `fd` also the descriptor `number`, without close-on-exec, whatever `number` was.
pub fn duplicate_to(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: dup2 takes two numbers; what `number` was is given up by the caller.
    if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives up ownership: the descriptor stays open until exec or exit.
pub fn leak(fd: OwnedFd) -> RawFd {
    use std::os::fd::IntoRawFd;
    fd.into_raw_fd()
}
