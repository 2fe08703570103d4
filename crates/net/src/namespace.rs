//! Work inside another network namespace, on a thread of its own.

use crate::{Endpoint, Error, address, link, route};
use netlink::Socket;
use rustix::fd::BorrowedFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs;
use std::io;

/// Runs `work` on a thread in the namespace, with a socket opened there.
pub(crate) fn within<T: Send>(
    netns: BorrowedFd<'_>,
    work: impl FnOnce(&mut Socket) -> Result<T, Error> + Send,
) -> Result<T, Error> {
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
            .unwrap_or_else(|_| Err(ask(io::Error::other("the thread panicked"))))
    })
}

/// Sets the loopback link up.
pub fn loopback(netns: BorrowedFd<'_>) -> Result<(), Error> {
    within(netns, |socket| {
        let lo = link::find(socket, "lo")?;
        link::set_up(socket, lo)
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
        for (address, prefix) in &endpoint.addresses {
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
    let ipv6 = endpoint
        .addresses
        .iter()
        .any(|(address, _)| address.is_ipv6());
    let disabled = if ipv6 { "0" } else { "1" };
    for (name, value) in [
        ("disable_ipv6", disabled),
        ("accept_ra", "0"),
        ("accept_dad", "0"),
    ] {
        fs::write(format!("{own}/{name}"), value).ok();
    }
}
