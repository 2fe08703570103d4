//! Joins the namespaces that are there, and makes the cgroup namespace, whose root is the group
//! that was joined just before.

use super::Setup;
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use crate::plan::Container;
use rustix::io::Errno;
use std::os::fd::AsFd;
use sys::namespace::{self, Kind};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let namespaces = &setup.plan.namespaces;
    for (kind, fd, path) in &namespaces.joined {
        // These two were joined before the clone, and others if a stage could.
        let done = setup.left.is_some() && *kind != Kind::Network;
        let before = [Kind::User, Kind::Pid].contains(kind) || setup.joined & kind.flag() != 0;
        if !before && !done {
            namespace::join(fd.as_fd(), *kind).on("join namespace", path)?;
        }
    }
    if setup.left.is_some() {
        return Ok(());
    }
    if namespaces.makes(Kind::Cgroup) {
        namespace::unshare(Kind::Cgroup.flag()).during("make a cgroup namespace")?;
    }
    if namespaces.makes(Kind::Network) {
        sys::link::loopback_up().during("bring the loopback interface up")?;
    }
    let moves = |container: &Container| !container.interfaces.is_empty();
    if !setup.container().is_some_and(moves) {
        return Ok(());
    }
    channel::send(setup.channel, Tag::Interfaces, 0, None).during("ask for network devices")?;
    match channel::wait_for(setup.channel, Tag::Go).during("wait for network devices")? {
        Some(_) => Ok(()),
        None => Err(Fault::new("wait for network devices", b"", Errno::PIPE)),
    }
}
