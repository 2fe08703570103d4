//! Addresses of links.

use crate::{Error, Link};
use netlink::{Attributes, Flags, Message, Socket};
use std::net::IpAddr;

const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
/// No waiting for duplicate address detection: a container's program binds at once.
const NODAD: u8 = 2;
/// `IFA_F_PERMANENT`: given by somebody, not leased.
const PERMANENT: u8 = 0x80;
/// `RT_SCOPE_UNIVERSE`: good anywhere.
const UNIVERSE: u8 = 0;
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

/// Takes an address from `link`.
pub fn remove(socket: &mut Socket, link: Link, address: IpAddr, prefix: u8) -> Result<(), Error> {
    let mut fixed = vec![family(address), prefix, 0, 0];
    fixed.extend(link.index.to_ne_bytes());
    let message = Message::new(DELADDR, Flags::CHANGE, &fixed).with(IFA_LOCAL, &octets(address));
    socket.request(message).map_err(|source| Error::Address {
        address: format!("{address}/{prefix}"),
        link: link.index,
        source,
    })
}

/// The addresses of `link` that somebody gave it and that mean the same elsewhere, each with
/// its prefix length: neither leased ones nor those of the link alone.
pub fn lasting(socket: &mut Socket, link: Link) -> Result<Vec<(IpAddr, u8)>, Error> {
    chosen(socket, link, |flags, scope| {
        flags & PERMANENT != 0 && scope == UNIVERSE
    })
}

/// Every address of `link`, each with its prefix length.
pub fn all(socket: &mut Socket, link: Link) -> Result<Vec<(IpAddr, u8)>, Error> {
    chosen(socket, link, |_, _| true)
}

fn chosen(
    socket: &mut Socket,
    link: Link,
    choose: impl Fn(u8, u8) -> bool,
) -> Result<Vec<(IpAddr, u8)>, Error> {
    let mut found = Vec::new();
    let message = Message::new(GETADDR, Flags::DUMP, &[0; 8]);
    let told = socket.dump(message, |_, body| {
        let Some((&[family, prefix, flags, scope, i0, i1, i2, i3], rest)) =
            body.split_first_chunk()
        else {
            return;
        };
        if u32::from_ne_bytes([i0, i1, i2, i3]) != link.index || !choose(flags, scope) {
            return;
        }
        let attributes = Attributes::new(rest);
        let bytes = attributes
            .find_kind(IFA_LOCAL)
            .or_else(|| attributes.find_kind(IFA_ADDRESS));
        if let Some(address) = bytes.and_then(|bytes| parse(family, bytes)) {
            found.push((address, prefix));
        }
    });
    told.map_err(|source| Error::Ask {
        what: "the addresses of a link",
        source,
    })?;
    Ok(found)
}

fn parse(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        INET => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        INET6 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
