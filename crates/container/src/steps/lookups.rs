//! Names that nearly every start looks up in its root, looked up before anybody waits for it.
//!
//! The kernel remembers what it found, and that there is nothing: the first lookup in an overlay
//! takes ten times as long as the next.

use super::Setup;
use crate::fault::Fault;
use crate::target::{self, Links};
use rustix::fs::OFlags;
use std::ffi::CStr;

/// Places of mounts, the files that say who users are, and where commands are sought.
const NAMES: [&CStr; 12] = [
    c"sys/fs/cgroup",
    c"etc/resolv.conf",
    c"etc/hostname",
    c"etc/hosts",
    c"etc/passwd",
    c"etc/group",
    c"usr/local/sbin",
    c"usr/local/bin",
    c"usr/sbin",
    c"usr/bin",
    c"sbin",
    c"bin/sh",
];

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let root = setup.root()?;
    for name in NAMES {
        // What is missing, or cannot be reached, is told of when it is needed.
        drop(target::open(root, name, OFlags::PATH, Links::Follow));
    }
    Ok(())
}
