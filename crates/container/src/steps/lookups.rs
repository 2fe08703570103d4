//! Names that nearly every start looks up in its root, looked up before anybody waits for it.
//!
//! The kernel remembers what it found, and that there is nothing: the first lookup in an overlay
//! takes ten times as long as the next.

use super::Setup;
use crate::fault::Fault;
use crate::target::{self, Links};
use rustix::fs::OFlags;
use std::ffi::CStr;

/// Places of mounts, the files that say who users are, and where commands are sought; each ends
/// with a zero. A table of them would be more data that every shim has in memory.
const NAMES: &[u8] = b"sys/fs/cgroup\0\
    etc/resolv.conf\0etc/hostname\0etc/hosts\0etc/passwd\0etc/group\0\
    usr/local/sbin\0usr/local/bin\0usr/sbin\0usr/bin\0sbin\0bin/sh\0";

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let root = setup.root()?;
    let names = NAMES.split_inclusive(|byte| *byte == 0);
    for name in names.filter_map(|name| CStr::from_bytes_with_nul(name).ok()) {
        // What is missing, or cannot be reached, is told of when it is needed.
        drop(target::open(root, name, OFlags::PATH, Links::Follow));
    }
    Ok(())
}
