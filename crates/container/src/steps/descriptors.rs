//! Closes what the container must not hold, and puts the standard streams in their places.

use super::Setup;
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::stdio::Stdio;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if !setup.plan.in_user_namespace() || setup.plan.join.is_some() {
        not_dumpable()?;
    }
    close_all_but(setup.keep)?;
    match setup.launch.stdio {
        Stdio::Inherit => Ok(()),
        Stdio::Descriptors {
            stdin,
            stdout,
            stderr,
        } => place([stdin, stdout, stderr]),
    }
}

/// Closes everything but the standard streams and what is kept.
pub(super) fn close_all_but<'a>(keep: &[RawFd]) -> Result<(), Fault<'a>> {
    if !Guard::Descriptors.holds() {
        return Ok(());
    }
    sys::fds::close_all_but(keep).during("close descriptors")
}

/// Closes at the exec whatever is open from this number on.
pub(super) fn close_at_exec<'a>(first: u32) -> Result<(), Fault<'a>> {
    if !Guard::Descriptors.holds() {
        return Ok(());
    }
    sys::fds::close_range(first, u32::MAX, sys::fds::Range::CloseOnExec)
        .during("close descriptors at exec")
}

/// Nobody whom we join may look at us or trace us before the exec.
pub(crate) fn not_dumpable<'a>() -> Result<(), Fault<'a>> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).during("forbid to be traced")
}

fn place<'a>(streams: [BorrowedFd<'_>; 3]) -> Result<(), Fault<'a>> {
    // A stream that is now at another one's number is moved away first.
    let mut moved: [Option<OwnedFd>; 3] = [None, None, None];
    for (moved, stream) in moved.iter_mut().zip(streams) {
        if stream.as_raw_fd() < 3 {
            *moved = Some(fcntl_dupfd_cloexec(stream, 3).during("move standard streams")?);
        }
    }
    for ((number, stream), moved) in (0..).zip(streams).zip(&moved) {
        let stream = moved.as_ref().map_or(stream, AsFd::as_fd);
        sys::fds::duplicate_to(stream, number).during("place standard streams")?;
    }
    Ok(())
}
