//! A link that moves into another network namespace, and back if need be.

use crate::namespace::within;
use crate::{Error, Link, address, link};
use netlink::Socket;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::net::IpAddr;

/// A link that has moved, with its lasting addresses, out of the namespace we are in.
#[derive(Debug)]
pub struct Transfer {
    home: OwnedFd,
    abroad: OwnedFd,
    /// The names at home and abroad.
    names: (String, String),
    addresses: Vec<(IpAddr, u8)>,
}

impl Transfer {
    /// Moves the link called `name` into `netns`, where it is called `new` and is up.
    ///
    /// The kernel drops a link's addresses when it moves: those that mean the same elsewhere
    /// are given to it again. On failure the link is at home again, as far as that can be.
    pub fn new(name: &str, new: &str, netns: BorrowedFd<'_>) -> Result<Self, Error> {
        let ask = |source: io::Error| Error::Ask {
            what: "its own network namespace",
            source,
        };
        let home = "/proc/thread-self/ns/net";
        let home = rustix::fs::open(home, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| ask(errno.into()))?;
        let mut socket = Socket::route().map_err(ask)?;
        let link = link::find(&mut socket, name)?;
        let moved = Self {
            home,
            abroad: netns.try_clone_to_owned().map_err(ask)?,
            names: (name.to_owned(), new.to_owned()),
            addresses: address::lasting(&mut socket, link)?,
        };
        link::set_down(&mut socket, link)?;
        if let Err(error) = link::move_to(&mut socket, link, new, netns) {
            // It is as it was, but down: what failed is told.
            drop(moved.dress(&mut socket, link));
            return Err(error);
        }
        let dressed = within(netns, |socket| {
            let link = link::find(socket, new)?;
            moved.dress(socket, link)
        });
        match dressed {
            Ok(()) => Ok(moved),
            Err(error) => {
                drop(moved.undo());
                Err(error)
            }
        }
    }

    /// Moves the link home again, under the name that it had.
    pub fn undo(self) -> Result<(), Error> {
        let (name, new) = &self.names;
        within(self.abroad.as_fd(), |socket| {
            let link = link::find(socket, new)?;
            link::set_down(socket, link)?;
            link::move_to(socket, link, name, self.home.as_fd())
        })?;
        within(self.home.as_fd(), |socket| {
            let link = link::find(socket, name)?;
            self.dress(socket, link)
        })
    }

    fn dress(&self, socket: &mut Socket, link: Link) -> Result<(), Error> {
        for (address, prefix) in &self.addresses {
            address::add(socket, link, *address, *prefix)?;
        }
        link::set_up(socket, link)
    }
}
