//! Network devices of the host on their way into the container.

use super::Parent;
use crate::Error;
use net::Transfer;
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;

impl Parent<'_> {
    /// Moves all devices into the namespace that the child is in by now.
    pub(super) fn interfaces(&mut self) -> Result<(), Error> {
        let Some(container) = &self.launch.plan.container else {
            return Ok(());
        };
        let path = format!("/proc/{}/ns/net", self.child.pid);
        let netns = rustix::fs::open(
            path.as_str(),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| Error::host("open", &path)(errno.into()))?;
        for interface in &container.interfaces {
            let moved = Transfer::new(&interface.name, &interface.inside, netns.as_fd());
            self.moved.push(moved.map_err(|source| Error::Interface {
                name: interface.name.clone(),
                source,
            })?);
        }
        Ok(())
    }
}

/// Moves them home from a container that is not to be, while its namespace is there.
pub(super) fn give_back(moved: Vec<Transfer>) {
    for transfer in moved.into_iter().rev() {
        // What made the container fail is told; a device that went away is nobody's any more.
        drop(transfer.undo());
    }
}
