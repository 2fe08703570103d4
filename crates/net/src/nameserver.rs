//! The sockets of a sandbox's name server, at 127.0.0.11 port 53 as the sandbox sees it.
//!
//! They are bound to other ports, so that a program inside can have port 53 of all addresses.
//! Two rules in the sandbox rewrite the ports of what is asked and answered. They keep no
//! state, so that packets of the sandbox are not tracked for their sake: what is asked is
//! rewritten before connection tracking sees it and answers after, so that one which the
//! sandbox itself turns on sees both ends alike.

use crate::namespace::within;
use crate::nft::{
    Batch, Chain, Checksum, Compare, Expression as E, Field, Hook, Meta, Register, Verdict,
};
use crate::{Error, Protocol};
use netlink::Socket;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, listen, socket_with,
};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// Where a sandbox finds its name server.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const PORT: u16 = 53;
/// The table in the sandbox.
const TABLE: &str = "corten-names";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A sandbox's name server, not yet served.
#[derive(Debug)]
pub struct Sockets {
    /// For datagrams.
    pub udp: OwnedFd,
    /// Listens for connections.
    pub tcp: OwnedFd,
}

/// Binds the sockets in `netns`, and leads port 53 to them.
///
/// # Errors
/// If the kernel refuses a part.
pub fn open(netns: BorrowedFd<'_>) -> Result<Sockets, Error> {
    within(netns, |_| {
        let ask = |source: io::Error| Error::Ask {
            what: "a name server's sockets",
            source,
        };
        let (udp, udp_port) = bound(SocketType::DGRAM).map_err(ask)?;
        let (tcp, tcp_port) = bound(SocketType::STREAM).map_err(ask)?;
        listen(&tcp, BACKLOG).map_err(|errno| ask(errno.into()))?;
        let mut netfilter = Socket::netfilter().map_err(ask)?;
        let made = rules(udp_port, tcp_port).commit(&mut netfilter);
        netfilter.close_behind();
        made?;
        Ok(Sockets { udp, tcp })
    })
}

fn bound(kind: SocketType) -> io::Result<(OwnedFd, u16)> {
    let protocol = match kind {
        SocketType::STREAM => ipproto::TCP,
        _ => ipproto::UDP,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, kind, flags, Some(protocol))?;
    bind(&socket, &SocketAddr::new(ADDRESS.into(), 0))?;
    let address = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, address.port()))
}

fn rules(udp_port: u16, tcp_port: u16) -> Batch<'static> {
    let before_tracking = Chain::Base {
        name: "asking",
        kind: "filter",
        hook: Hook::Output,
        priority: -300,
    };
    let after_translation = Chain::Base {
        name: "answering",
        kind: "filter",
        hook: Hook::Output,
        priority: 300,
    };
    let batch = Batch::new(TABLE)
        .fresh_table()
        .chain(before_tracking)
        .chain(after_translation);
    let each = [
        (Protocol::Udp, udp_port, Checksum::Udp),
        (Protocol::Tcp, tcp_port, Checksum::Tcp),
    ];
    each.into_iter().fold(batch, |batch, (protocol, own, sum)| {
        let asked = (Field::Destination4, Field::DestinationPort);
        let answered = (Field::Source4, Field::SourcePort);
        let batch = rewriting(batch, ("asking", protocol, sum), asked, (PORT, own));
        rewriting(batch, ("answering", protocol, sum), answered, (own, PORT))
    })
}

/// One port of the name server's address becomes another.
fn rewriting<'a>(
    batch: Batch<'a>,
    (chain, protocol, sum): (&str, Protocol, Checksum),
    (address, port): (Field, Field),
    (from, to): (u16, u16),
) -> Batch<'a> {
    let r = Register(0);
    let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
    let number = [protocol as u8];
    let own = ADDRESS.octets();
    batch.rule(
        chain,
        &[
            E::Meta(Meta::Family, r),
            E::Compare(r, Compare::Is, &[2]),
            E::Payload(address, r),
            E::Compare(r, Compare::Is, &own),
            E::Meta(Meta::Protocol, r),
            E::Compare(r, Compare::Is, &number),
            E::Payload(port, r),
            E::Compare(r, Compare::Is, &from),
            E::Value(r, &to),
            E::Store(r, port, sum),
            E::Verdict(Verdict::Accept),
        ],
    )
}
