//! Waits for the maps of the new user namespace and becomes its root.

use super::{Setup, descriptors};
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use sys::namespace::Kind;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if setup.plan.maps.is_some() {
        channel::send(setup.channel, Tag::Maps, 0, None).during("ask for the maps")?;
        let go = channel::wait_for(setup.channel, Tag::Go).during("wait for the maps")?;
        go.ok_or_else(|| Fault::new("wait for the maps", b"", Errno::PIPE))?;
    }
    if setup.container().is_some() && setup.plan.namespaces.own(Kind::User) {
        become_root()?;
        descriptors::not_dumpable()?;
    }
    Ok(())
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
