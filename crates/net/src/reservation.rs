//! Ports of the host that are taken without being served: sockets bound and never read.
//!
//! Packets for a published port are led away before they reach a socket. The socket is there
//! so that nothing else on the host can take the port, and so that a port which is taken
//! already is found out before anything is made.

use crate::network::Protocol;
use rustix::fd::OwnedFd;
use rustix::net::ipproto::{SCTP, TCP, UDP};
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Who takes ports of the host's.
pub trait Binder: Debug + Send + Sync {
    /// Takes a port of one of the host's addresses. It is free again once the descriptor and its
    /// copies are closed.
    ///
    /// # Errors
    /// Of kind `AddrInUse` if somebody has it.
    fn take(&self, protocol: Protocol, host: IpAddr, port: u16) -> io::Result<OwnedFd>;
}

/// In the caller's own network namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Here;

impl Binder for Here {
    fn take(&self, protocol: Protocol, host: IpAddr, port: u16) -> io::Result<OwnedFd> {
        take(protocol, host, port)
    }
}

fn take(protocol: Protocol, host: IpAddr, port: u16) -> io::Result<OwnedFd> {
    match bound(protocol, host, port, false) {
        // A connection of its last user's may still be dying there. That is nobody's; a
        // listener also stands against those who would share the port.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && protocol == Protocol::Tcp => {
            let socket = bound(protocol, host, port, true)?;
            listen(&socket, 0)?;
            Ok(socket)
        }
        outcome => outcome,
    }
}

fn bound(protocol: Protocol, host: IpAddr, port: u16, reuse: bool) -> io::Result<OwnedFd> {
    let family = match host {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, TCP),
        Protocol::Udp => (SocketType::DGRAM, UDP),
        Protocol::Sctp => (SocketType::STREAM, SCTP),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(number))?;
    if host.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    set_socket_reuseaddr(&socket, reuse)?;
    bind(&socket, &SocketAddr::new(host, port))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::getsockname;

    #[test]
    fn a_taken_port_cannot_be_bound_again() {
        let host = IpAddr::from([127, 0, 0, 1]);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let first = take(protocol, host, 0).expect("a free port");
            let address: SocketAddr = getsockname(&first)
                .expect("it is bound")
                .try_into()
                .expect("an internet address");
            let again = take(protocol, host, address.port()).expect_err("it is taken");
            assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
            drop(first);
            take(protocol, host, address.port()).expect("it is free again");
        }
    }
}
