//! Network namespaces: made ahead, and worked in on a thread of their own.

use crate::{Endpoint, Error, address, link, route};
use netlink::Socket;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::IpAddr;
use sys::namespace::{Kind, unshare};

/// A new network namespace, its loopback up, that lives as long as this or a process in it.
///
/// New links in it have no IPv6 until an address of it is given, believe no router, and wait
/// for no duplicates, and announce their addresses: its defaults say so before any link is there.
#[derive(Debug)]
pub struct Namespace {
    file: OwnedFd,
}

impl Namespace {
    /// Makes one, on a thread that ends with it.
    ///
    /// # Errors
    /// If the kernel makes none.
    pub fn new() -> Result<Self, Error> {
        Self::with_socket().map(|(namespace, _)| namespace)
    }

    /// As [`Self::new`], with a connection that speaks of the links in it.
    pub(crate) fn with_socket() -> Result<(Self, Socket), Error> {
        let ask = |source: io::Error| Error::Ask {
            what: "a new network namespace",
            source,
        };
        let make = move || {
            unshare(Kind::Network.flag()).map_err(ask)?;
            let file = File::open("/proc/thread-self/ns/net").map_err(ask)?;
            let socket = begin()?;
            Ok((Self { file: file.into() }, socket))
        };
        let thread = std::thread::Builder::new().spawn(make).map_err(ask)?;
        let made = thread.join();
        made.unwrap_or_else(|_| Err(ask(io::Error::other("the thread panicked"))))
    }

    /// Begins with one that somebody else has just made, and that nothing is in.
    ///
    /// # Errors
    /// If its links cannot be spoken of.
    pub fn adopt(file: OwnedFd) -> Result<Self, Error> {
        within(file.as_fd(), |_| begin())?;
        Ok(Self { file })
    }
}

/// What is done in a new one first, by a thread in it.
fn begin() -> Result<Socket, Error> {
    defaults();
    let mut socket = Socket::route().map_err(|source| Error::Ask {
        what: "a new network namespace",
        source,
    })?;
    // The first link of a namespace is its loopback.
    link::set_up(&mut socket, link::Link { index: 1 })?;
    Ok(socket)
}

impl From<Namespace> for OwnedFd {
    fn from(namespace: Namespace) -> Self {
        namespace.file
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What links get that are made later; a kernel without IPv6 has nothing to be set.
fn defaults() {
    for name in ["accept_ra", "accept_dad"] {
        fs::write(format!("/proc/sys/net/ipv6/conf/default/{name}"), "0").ok();
    }
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").ok();
    // Who knew an address's last owner hears of the new one as its link comes up.
    fs::write("/proc/sys/net/ipv4/conf/default/arp_notify", "1").ok();
    fs::write("/proc/sys/net/ipv6/conf/default/ndisc_notify", "1").ok();
}

/// Runs `work` on a thread in the namespace, with a socket opened there.
pub fn within<T: Send, E: From<Error> + Send>(
    netns: BorrowedFd<'_>,
    work: impl FnOnce(&mut Socket) -> Result<T, E> + Send,
) -> Result<T, E> {
    let ask = |source: io::Error| Error::Ask {
        what: "the sandbox's network namespace",
        source,
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))
                .map_err(|e| ask(e.into()))?;
            work(&mut Socket::route().map_err(ask)?)
        });
        thread
            .join()
            .unwrap_or_else(|_| Err(ask(io::Error::other("the thread panicked")).into()))
    })
}

/// Sets the loopback link up.
pub fn loopback(netns: BorrowedFd<'_>) -> Result<(), Error> {
    within(netns, |socket| {
        let lo = link::find(socket, "lo")?;
        link::set_up(socket, lo)
    })
}

/// Sends what has no other route through these gateways, each by the link of its name.
pub fn set_gateways(netns: BorrowedFd<'_>, gateways: &[(&str, IpAddr)]) -> Result<(), Error> {
    within(netns, |socket| {
        for (name, gateway) in gateways {
            let own = link::find(socket, name)?;
            route::add_default(socket, own, *gateway)?;
        }
        Ok(())
    })
}

/// Removes the macvlan or ipvlan called `name`, if it is there. A link of another kind is
/// somebody else's.
pub fn remove_child(netns: BorrowedFd<'_>, name: &str) -> Result<(), Error> {
    within(netns, |socket| match link::details(socket, name) {
        Ok(own) if matches!(own.kind.as_str(), "macvlan" | "ipvlan") => {
            link::delete(socket, own.link)
        }
        Ok(_) | Err(Error::NoLink { .. }) => Ok(()),
        Err(error) => Err(error),
    })
}

/// Gives the endpoint's link, which is there already, its addresses and routes, and sets it
/// and the loopback up.
pub(crate) fn configure(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<(), Error> {
    within(netns, |socket| {
        let lo = link::find(socket, "lo")?;
        link::set_up(socket, lo)?;
        let own = link::find(socket, &endpoint.link)?;
        quiet(endpoint);
        for (path, value) in &endpoint.settings {
            set(path, value)?;
        }
        for (address, prefix) in endpoint.addresses.iter().chain(&endpoint.link_local) {
            address::add(socket, own, *address, *prefix)?;
        }
        link::set_up(socket, own)?;
        endpoint
            .gateways
            .iter()
            .try_for_each(|gateway| route::add_default(socket, own, *gateway))
    })
}

/// No addresses but those given: no IPv6 where none was asked for (CVE-2024-32473), no word
/// of a router taken (CVE-2020-13401); and no second of waiting for duplicates of addresses
/// that are given once. A kernel without IPv6 has nothing to be set.
fn quiet(endpoint: &Endpoint) {
    let own = format!("/proc/sys/net/ipv6/conf/{}", endpoint.link);
    let mut addresses = endpoint.addresses.iter().chain(&endpoint.link_local);
    let ipv6 = addresses.any(|(address, _)| address.is_ipv6());
    let disabled = if ipv6 { "0" } else { "1" };
    for (name, value) in [
        ("disable_ipv6", disabled),
        ("accept_ra", "0"),
        ("accept_dad", "0"),
    ] {
        fs::write(format!("{own}/{name}"), value).ok();
    }
}

/// Sets a kernel parameter that must be there.
fn set(path: &str, value: &str) -> Result<(), Error> {
    let opened = File::options()
        .write(true)
        .open(format!("/proc/sys/{path}"));
    let set = opened.and_then(|mut file| file.write_all(value.as_bytes()));
    set.map_err(|source| Error::Sysctl {
        name: path.to_owned(),
        source,
    })
}
