//! Passing on what comes to a port of the host that the firewall does not lead on: from the
//! host's own loopback addresses, and by IPv6 to a sandbox that has IPv4 alone.

use rustix::io::Errno;
use rustix::net::ipproto::SCTP;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// How long an asker by datagrams is remembered. COMPAT: docker-proxy's.
const MEMORY: Duration = Duration::from_secs(90);
/// Askers by datagrams at one port at a time.
const ASKERS: usize = 1024;
/// Connections that wait to be accepted; the kernel has a limit of its own.
const BACKLOG: i32 = 4096;
const DATAGRAM: usize = 65_536;

/// A port that is passed on as long as this is there.
#[derive(Debug)]
pub(crate) struct Relay {
    tasks: JoinSet<()>,
    target: Target,
}

/// Where what comes next is passed on to.
type Target = Rc<Cell<SocketAddr>>;

impl Relay {
    /// Passes on what comes to `socket`; if it is a stream's, of TCP or SCTP, it listens.
    pub(crate) fn start(socket: OwnedFd, datagrams: bool, target: SocketAddr) -> io::Result<Self> {
        let mut tasks = JoinSet::new();
        let target = Rc::new(Cell::new(target));
        let to = Rc::clone(&target);
        if datagrams {
            let socket = std::net::UdpSocket::from(socket);
            socket.set_nonblocking(true)?;
            let socket = UdpSocket::from_std(socket)?;
            tasks.spawn_local(pass_datagrams(Rc::new(socket), to));
        } else {
            // Until now it only held its port.
            rustix::net::listen(&socket, BACKLOG)?;
            // Connections that are dying when it is given up must not hold it.
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            let protocol = rustix::net::sockopt::socket_protocol(&socket)?;
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn_local(pass_streams(listener, to, protocol == Some(SCTP)));
        }
        Ok(Self { tasks, target })
    }

    /// Passes on elsewhere what comes from now on.
    pub(crate) fn lead(&self, target: SocketAddr) {
        self.target.set(target);
    }

    /// Ends it. Its socket is closed when this returns.
    pub(crate) async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn pass_streams(listener: TcpListener, target: Target, sctp: bool) {
    let mut connected = JoinSet::new();
    loop {
        let Ok((from, asker)) = listener.accept().await else {
            // Out of descriptors, mostly: others must be given up first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connected.try_join_next().is_some() {}
        let target = target.get();
        connected.spawn_local(async move {
            // If nothing listens there, the connection ends as soon as it was made.
            if sctp {
                if let Ok(to) = connect_sctp(target).await {
                    drop(crate::stream::pass_messages(&from, &to).await);
                }
            } else if let Ok(to) = connect(target).await {
                drop(from.set_nodelay(true));
                if asker.ip().to_canonical().is_loopback() {
                    unpace(&from);
                }
                drop(crate::stream::pass(&from, &to).await);
            }
        });
    }
}

async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = match target {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_nodelay(true)?;
    unpace(&socket);
    socket.connect(target).await
}

/// Has a connection send as fast as its other end reads, which is on this host: nothing between
/// is congested, and what hosts have for that may pace what is sent (BBR).
fn unpace(socket: impl AsFd) {
    // The one that every kernel has. Where it may not be had, there is the host's.
    let _ = rustix::net::sockopt::set_tcp_congestion(socket, "reno");
}

/// A connection of SCTP (`SOCK_STREAM`), which is waited for, read and written like one of TCP.
async fn connect_sctp(target: SocketAddr) -> io::Result<TcpStream> {
    let family = match target {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(SCTP))?;
    match rustix::net::connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from_std(socket.into())?;
    stream.writable().await?;
    match stream.take_error()? {
        None => Ok(stream),
        Some(error) => Err(error),
    }
}

/// Each asker has a socket of its own towards the target, by which answers find back.
async fn pass_datagrams(socket: Rc<UdpSocket>, target: Target) {
    let mut askers: HashMap<SocketAddr, Rc<UdpSocket>> = HashMap::new();
    let mut answers = JoinSet::new();
    let mut bytes = Vec::new();
    let mut before = target.get();
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        bytes.resize(DATAGRAM, 0);
        let received = socket.try_recv_from(&mut bytes);
        let Ok((length, from)) = received else {
            continue;
        };
        while let Some(Ok(gone)) = answers.try_join_next() {
            askers.remove(&gone);
        }
        if before != target.get() {
            before = target.get();
            askers.clear();
            answers = JoinSet::new();
        }
        let towards = match askers.get(&from) {
            Some(known) => Rc::clone(known),
            None if askers.len() < ASKERS => {
                let Ok(new) = towards(before).await else {
                    continue;
                };
                let new = Rc::new(new);
                askers.insert(from, Rc::clone(&new));
                answers.spawn_local(pass_back(Rc::clone(&new), Rc::clone(&socket), from));
                new
            }
            None => continue,
        };
        // What does not fit into a queue is lost, as datagrams are.
        drop(towards.try_send(&bytes[..length]));
        // Nothing is kept for a port that is silent.
        bytes = Vec::new();
    }
}

async fn towards(target: SocketAddr) -> io::Result<UdpSocket> {
    let own: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(target).await?;
    // A new one counts as full until it is found to have room.
    socket.writable().await?;
    Ok(socket)
}

/// Passes answers back until there are none for a while. Gives whose they were.
async fn pass_back(from: Rc<UdpSocket>, to: Rc<UdpSocket>, asker: SocketAddr) -> SocketAddr {
    while let Ok(Ok(())) = tokio::time::timeout(MEMORY, from.readable()).await {
        let mut bytes = vec![0; DATAGRAM];
        match from.try_recv(&mut bytes) {
            Ok(length) => drop(to.try_send_to(&bytes[..length], asker)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Nothing listens there now.
            Err(_) => return asker,
        }
    }
    asker
}
