//! A shim that waits for its sandbox: what takes time and depends on nothing is done ahead.

use crate::error::{Error, Result};
use oci::runtime::{NamespaceKind, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::net::RecvFlags;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use sys::namespace::{self, Kind};
use types::ContainerId;

/// The longest first line: an id and the line feed.
const LINE: usize = 256;

/// Waits for the id of the sandbox to be, the first line from the daemon. `None`: it was told
/// to end, or has.
pub(crate) fn wait(socket: &OwnedFd) -> Result<Option<ContainerId>> {
    let failed = |error: io::Error| Error::io("read", Path::new("the sandbox's id"))(error);
    let mut line = [0; LINE];
    let mut length = 0;
    while length < LINE {
        let room = &mut line[length..];
        let seen = receive(socket, room, RecvFlags::PEEK).map_err(failed)?;
        if seen == 0 {
            return Ok(None);
        }
        let end = room[..seen].iter().position(|byte| *byte == b'\n');
        // The line alone: what follows is the first request, with its descriptors.
        let taken = end.map_or(seen, |end| end + 1);
        length += receive(socket, &mut room[..taken], RecvFlags::empty()).map_err(failed)?;
        if end.is_some() {
            let id = std::str::from_utf8(&line[..length - 1]).unwrap_or_default();
            return id.parse().map(Some).map_err(Error::invalid("sandbox"));
        }
    }
    Err(failed(io::ErrorKind::InvalidData.into()))
}

fn receive(socket: &OwnedFd, bytes: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    let received = rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut *bytes, flags));
    Ok(received.map(|(length, _)| length)?)
}

/// Namespaces that the first container of the sandbox gets instead of making them.
#[derive(Debug)]
pub(crate) struct Namespaces {
    made: [(NamespaceKind, OwnedFd); 3],
}

/// Kinds that are the same for all containers until something is done in them.
const KINDS: [(NamespaceKind, Kind); 3] = [
    (NamespaceKind::Network, Kind::Network),
    (NamespaceKind::Ipc, Kind::Ipc),
    (NamespaceKind::Uts, Kind::Uts),
];

impl Namespaces {
    /// Makes them, with the loopback interface up. `None` without the privilege: in a user
    /// namespace of its own a container makes its others too.
    pub(crate) fn make() -> Result<Option<Self>> {
        let failed = |error| Error::io("prepare", Path::new("namespaces"))(error);
        let own = open_all().map_err(failed)?;
        let all = KINDS.iter().fold(0, |all, (_, kind)| all | kind.flag());
        if namespace::unshare(all).is_err() {
            return Ok(None);
        }
        let made = sys::link::loopback_up().and_then(|()| open_all());
        // Whatever went wrong, the shim itself stays where it was.
        for ((_, fd), (_, kind)) in own.iter().zip(KINDS) {
            namespace::join(fd.as_fd(), kind).map_err(failed)?;
        }
        made.map(|made| Some(Self { made })).map_err(failed)
    }

    /// Puts them in the place of new ones in `spec`, which must be used while this lives.
    pub(crate) fn give(&self, spec: &mut Spec) {
        let Some(linux) = &mut spec.linux else {
            return;
        };
        let mut namespaces = linux.namespaces.iter();
        // Its namespaces are to belong to its users.
        if namespaces.any(|one| one.kind == NamespaceKind::User) {
            return;
        }
        for namespace in &mut linux.namespaces {
            let found = self.made.iter().find(|(kind, _)| *kind == namespace.kind);
            if let (Some((_, fd)), true) = (found, namespace.path.is_empty()) {
                namespace.path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            }
        }
    }
}

fn open_all() -> io::Result<[(NamespaceKind, OwnedFd); 3]> {
    let open = |kind: Kind| -> io::Result<OwnedFd> {
        let path = format!("/proc/self/ns/{}", kind.file());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(path, flags, Mode::empty())?)
    };
    let [(a, net), (b, ipc), (c, uts)] = KINDS;
    Ok([(a, open(net)?), (b, open(ipc)?), (c, open(uts)?)])
}
