//! Waits for the maps of the new user namespace, makes the time namespace that it owns, and
//! becomes its root.

use super::{Setup, descriptors};
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::CStr;
use std::os::fd::AsFd;
use sys::namespace::{self, Kind};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if setup.plan.maps.is_some() {
        channel::send(setup.channel, Tag::Maps, 0, None).during("ask for the maps")?;
        let go = channel::wait_for(setup.channel, Tag::Go).during("wait for the maps")?;
        go.ok_or_else(|| Fault::new("wait for the maps", b"", Errno::PIPE))?;
    }
    if setup.plan.namespaces.makes(Kind::Time) {
        time(&setup.plan.namespaces.offsets)?;
    }
    if setup.container().is_some() && setup.plan.namespaces.own(Kind::User) {
        become_root()?;
        descriptors::not_dumpable()?;
    }
    Ok(())
}

/// A new time namespace is for later children, but who has one thread can join it as well.
///
/// Once our procfs entries are the host's root's, the offsets could not be written.
fn time<'a>(offsets: &str) -> Result<(), Fault<'a>> {
    const OFFSETS: &CStr = c"/proc/self/timens_offsets";
    const CHILDREN: &CStr = c"/proc/self/ns/time_for_children";
    namespace::unshare(Kind::Time.flag()).during("make a time namespace")?;
    if !offsets.is_empty() {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = open(OFFSETS, flags, Mode::empty()).on("open", OFFSETS)?;
        rustix::io::write(&file, offsets.as_bytes()).during("write linux.timeOffsets")?;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let made = open(CHILDREN, flags, Mode::empty()).on("open", CHILDREN)?;
    namespace::join(made.as_fd(), Kind::Time).during("join the time namespace")
}

fn become_root<'a>() -> Result<(), Fault<'a>> {
    match set_thread_groups(&[]) {
        // Forbidden where only one's own group is mapped.
        Ok(()) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno).during("give up groups"),
    }
    let (gid, uid) = (Gid::ROOT, Uid::ROOT);
    set_thread_res_gid(gid, gid, gid).during("become the namespace's root group")?;
    set_thread_res_uid(uid, uid, uid).during("become the namespace's root")
}
