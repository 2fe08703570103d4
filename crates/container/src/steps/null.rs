//! Standard streams that lead to the host's null device lead to the container's own.
//!
//! Nothing then holds a mount of the host, and CRIU can write the process down.

use super::Setup;
use crate::fault::Fault;
use crate::target::{self, Links};
use rustix::fs::{FileType, OFlags, fstat};
use std::os::fd::AsFd;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if !setup.container().is_some_and(|container| container.own_dev) {
        return Ok(());
    }
    let streams = [0, 1, 2];
    let leads_to_null = |number: &i32| sys::fds::borrow(*number).is_some_and(is_null);
    let mut streams = streams.into_iter().filter(leads_to_null).peekable();
    if streams.peek().is_none() {
        return Ok(());
    }
    // Whoever has none of its own, or cannot open it, keeps the host's.
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let own = target::open(setup.root()?, c"dev/null", flags, Links::Refuse);
    let Some(own) = own.ok().filter(|own| is_null(own)) else {
        return Ok(());
    };
    for number in streams {
        drop(sys::fds::duplicate_to(own.as_fd(), number));
    }
    Ok(())
}

fn is_null(fd: impl AsFd) -> bool {
    fstat(fd).is_ok_and(|found| {
        let kind = FileType::from_raw_mode(found.st_mode);
        kind == FileType::CharacterDevice && found.st_rdev == sys::device::number(1, 3)
    })
}
