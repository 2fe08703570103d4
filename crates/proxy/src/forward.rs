//! Asking other name servers: one after the other, the next when one does not answer soon.

use crate::message::Transport;
use crate::request::Resolver;
use domain::base::Message;
use domain::base::iana::Rcode;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;

/// COMPAT: as many as dockerd asks.
const MOST: usize = 3;
/// When the next one is asked too.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// When one is given up.
const PATIENCE: Duration = Duration::from_secs(4);
const PORT: u16 = 53;
/// Of a message's header.
const HEADER: usize = 12;

/// A name server, and from which network it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    /// `None`: the host's.
    from: Option<Rc<OwnedFd>>,
}

/// Whom to ask for a sandbox.
pub(crate) fn upstreams(
    resolver: &Resolver,
    host: &[SocketAddr],
    netns: &Rc<OwnedFd>,
) -> Vec<Upstream> {
    let from_sandbox = |address: &IpAddr| Upstream {
        address: SocketAddr::new(*address, PORT),
        from: Some(Rc::clone(netns)),
    };
    let from_host = |address: &SocketAddr| Upstream {
        address: *address,
        from: None,
    };
    let mut all: Vec<_> = match (resolver.servers.as_slice(), host) {
        ([], []) => crate::host_servers::DEFAULTS
            .iter()
            .map(from_sandbox)
            .collect(),
        ([], host) => host.iter().map(from_host).collect(),
        (servers, _) => servers.iter().map(from_sandbox).collect(),
    };
    all.truncate(MOST);
    all
}

/// The answer of the first that gives one; `None` if none does.
pub(crate) async fn forward(
    query: Rc<[u8]>,
    transport: Transport,
    upstreams: Vec<Upstream>,
) -> Option<Vec<u8>> {
    let mut waiting = upstreams.into_iter();
    let mut asked = JoinSet::new();
    let mut refusal = None;
    loop {
        match waiting.next() {
            Some(upstream) => {
                let query = Rc::clone(&query);
                asked.spawn_local(async move { ask(&query, transport, &upstream).await });
            }
            None if asked.is_empty() => return refusal,
            None => {}
        }
        // The last one is waited for as long as it takes.
        let next_too = tokio::time::sleep(match waiting.len() {
            0 => PATIENCE * 2,
            _ => IMPATIENCE,
        });
        tokio::select! {
            ended = asked.join_next() => match ended {
                Some(Ok(Ok(answer))) if is_final(&answer) => return Some(answer),
                Some(Ok(Ok(answer))) => refusal = Some(answer),
                _ => {}
            },
            () = next_too => {}
        }
    }
}

/// Another server may do better than one that fails or refuses.
fn is_final(answer: &[u8]) -> bool {
    let rcode = Message::from_slice(answer).map(|answer| answer.header().rcode());
    matches!(rcode, Ok(Rcode::NOERROR | Rcode::NXDOMAIN))
}

async fn ask(query: &[u8], transport: Transport, upstream: &Upstream) -> io::Result<Vec<u8>> {
    // A number of its own: the asker's may be guessed.
    let mut id = [0; 2];
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
    let mut own = query.to_vec();
    own[..2].copy_from_slice(&id);
    let asking = async {
        match transport {
            Transport::Datagram => by_datagram(&own, upstream).await,
            Transport::Stream => by_stream(&own, upstream).await,
        }
    };
    let answered = tokio::time::timeout(PATIENCE, asking).await;
    let mut answer = answered.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    answer[..2].copy_from_slice(&query[..2]);
    Ok(answer)
}

async fn by_datagram(query: &[u8], upstream: &Upstream) -> io::Result<Vec<u8>> {
    let any: IpAddr = match upstream.address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Connected to a port of its own: others' datagrams do not get here.
    let socket = upstream.within(|| {
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    let socket = UdpSocket::from_std(socket)?;
    socket.connect(upstream.address).await?;
    socket.send(query).await?;
    loop {
        socket.readable().await?;
        let mut bytes = Vec::with_capacity(usize::from(u16::MAX));
        match socket.try_recv_buf(&mut bytes) {
            Ok(_) if answers(query, &bytes) => {
                bytes.shrink_to_fit();
                return Ok(bytes);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn by_stream(query: &[u8], upstream: &Upstream) -> io::Result<Vec<u8>> {
    let socket = upstream.within(|| match upstream.address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    })?;
    let mut stream = socket.connect(upstream.address).await?;
    write_framed(&mut stream, query).await?;
    match read_framed(&mut stream).await? {
        Some(answer) if answers(query, &answer) => Ok(answer),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Writes a message with its length (RFC 1035, 4.2.2).
pub(crate) async fn write_framed(
    stream: &mut tokio::net::TcpStream,
    message: &[u8],
) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let framed = [&length.to_be_bytes()[..], message].concat();
    stream.write_all(&framed).await
}

/// Reads a message with its length; `None` at the end.
pub(crate) async fn read_framed(stream: &mut tokio::net::TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Whether it is an answer to just this question.
fn answers(query: &[u8], answer: &[u8]) -> bool {
    let (Ok(query), Ok(answer)) = (Message::from_slice(query), Message::from_slice(answer)) else {
        return false;
    };
    // Some leave the question out of a refusal.
    let same = answer.header_counts().qdcount() == 0 && answer.as_slice().len() == HEADER
        || query.question() == answer.question();
    answer.header().qr() && answer.header().id() == query.header().id() && same
}

/// The network that this process is in, but for a moment at a time.
static HOME: OnceLock<File> = OnceLock::new();

/// Remembers the network that this process comes back to. Later it can open no such file.
pub(crate) fn stay_at_home() -> io::Result<()> {
    let home = File::open("/proc/thread-self/ns/net")?;
    HOME.get_or_init(|| home);
    Ok(())
}

impl Upstream {
    /// Makes a socket in the network from which it is asked.
    fn within<T>(&self, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Some(netns) = &self.from else {
            return make();
        };
        let home = HOME.get().ok_or(io::ErrorKind::NotFound)?;
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(netns.as_fd(), network)?;
        let made = make();
        if move_into_link_name_space(home.as_fd(), network).is_err() {
            // Everything else would happen in the sandbox's network.
            std::process::abort();
        }
        made
    }
}
