//! Addresses of links.

use crate::{Error, Link};
use netlink::{Flags, Message, Socket};
use std::net::IpAddr;

const NEWADDR: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
/// No waiting for duplicate address detection: a container's program binds at once.
const NODAD: u8 = 2;
const INET: u8 = 2;
const INET6: u8 = 10;

pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { INET } else { INET6 }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The message that gives `link` an address with its subnet's prefix length.
pub(crate) fn message(link: Link, address: IpAddr, prefix: u8) -> Message {
    let flags = if address.is_ipv6() { NODAD } else { 0 };
    let mut fixed = vec![family(address), prefix, flags, 0];
    fixed.extend(link.index.to_ne_bytes());
    let bytes = octets(address);
    let message = Message::new(NEWADDR, Flags::REPLACE, &fixed)
        .with(IFA_LOCAL, &bytes)
        .with(IFA_ADDRESS, &bytes);
    match crate::Subnet::holding(address, prefix).map(|subnet| subnet.last()) {
        Some(last @ IpAddr::V4(_)) if prefix < 31 => message.with(IFA_BROADCAST, &octets(last)),
        _ => message,
    }
}

/// Gives `link` an address.
pub fn add(socket: &mut Socket, link: Link, address: IpAddr, prefix: u8) -> Result<(), Error> {
    socket
        .request(message(link, address, prefix))
        .map_err(|source| Error::Address {
            address: format!("{address}/{prefix}"),
            link: link.index,
            source,
        })
}
