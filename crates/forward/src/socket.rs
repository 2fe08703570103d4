//! The connections that messages go through.

use crate::Error;
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a connection may take, and a write that nobody reads.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Tcp(String),
    Tls(String, TlsFiles),
    Udp(String),
    Unix(PathBuf),
    UnixDatagram(PathBuf),
}

/// Files of certificates, and whether they count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) authority: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) unverified: bool,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection.
pub(crate) enum Socket {
    Stream(Box<dyn Stream>),
    Udp(UdpSocket),
    Datagram(UnixDatagram),
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stream(_) => "Socket::Stream",
            Self::Udp(_) => "Socket::Udp",
            Self::Datagram(_) => "Socket::Datagram",
        })
    }
}

impl Socket {
    pub(crate) async fn connect(peer: &Peer) -> Result<Self, Error> {
        let words = peer.words();
        let connected = timeout(PATIENCE, Self::open(peer)).await;
        connected.unwrap_or_else(|_| {
            let late = io::Error::new(io::ErrorKind::TimedOut, "i/o timeout");
            Err(Error::connection(words)(late))
        })
    }

    async fn open(peer: &Peer) -> Result<Self, Error> {
        let failed = || Error::connection(peer.words());
        Ok(match peer {
            Peer::Tcp(to) => Self::Stream(Box::new(tcp(to, peer).await?)),
            Peer::Tls(to, files) => {
                let config = Arc::new(files.trust()?.config().map_err(Error::Tls)?);
                let stream = tcp(to, peer).await?;
                let host = to.rsplit_once(':').map_or(to.as_str(), |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(io::Error::other);
                let name = name.map_err(failed())?;
                let stream = TlsConnector::from(config).connect(name, stream).await;
                Self::Stream(Box::new(stream.map_err(failed())?))
            }
            Peer::Udp(to) => {
                let to = resolve(to).await.map_err(failed())?;
                let own = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(own).await.map_err(failed())?;
                socket.connect(to).await.map_err(failed())?;
                Self::Udp(socket)
            }
            Peer::Unix(path) => {
                Self::Stream(Box::new(UnixStream::connect(path).await.map_err(failed())?))
            }
            Peer::UnixDatagram(path) => Self::Datagram(datagram(path).map_err(failed())?),
        })
    }

    /// Sends one message whole.
    pub(crate) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let sending = async {
            match self {
                Self::Stream(stream) => {
                    stream.write_all(message).await?;
                    stream.flush().await
                }
                Self::Udp(socket) => match socket.send(message).await {
                    // That nobody listened to an earlier one is no fault of this one.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        socket.send(message).await.map(drop)
                    }
                    sent => sent.map(drop),
                },
                Self::Datagram(socket) => socket.send(message).await.map(drop),
            }
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "i/o timeout");
        timeout(PATIENCE, sending).await.map_err(|_| late())?
    }

    /// Whether the other end has said that it takes no more. What is sent to it now would be
    /// gone, though nothing fails.
    pub(crate) async fn has_ended(&mut self) -> bool {
        let Self::Stream(stream) = self else {
            return false;
        };
        let mut unasked = [0; 64];
        let mut buffer = ReadBuf::new(&mut unasked);
        let read = poll_fn(|context| {
            let read = Pin::new(&mut *stream).poll_read(context, &mut buffer);
            Poll::Ready(read)
        });
        match read.await {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => buffer.filled().is_empty(),
            Poll::Ready(Err(_)) => true,
        }
    }

    /// Reads what the other end answers, at most until `buffer` is full.
    pub(crate) async fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        let Self::Stream(stream) = self else {
            return Ok(0);
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "i/o timeout");
        timeout(wait, stream.read(buffer))
            .await
            .map_err(|_| late())?
    }
}

impl Peer {
    /// What is attempted, as Go says it.
    fn words(&self) -> String {
        match self {
            Self::Tcp(to) | Self::Tls(to, _) => format!("dial tcp {to}: connect"),
            Self::Udp(to) => format!("dial udp {to}"),
            Self::Unix(path) => format!("dial unix {}: connect", path.display()),
            Self::UnixDatagram(path) => format!("dial unixgram {}: connect", path.display()),
        }
    }
}

async fn resolve(to: &str) -> io::Result<std::net::SocketAddr> {
    let mut found = tokio::net::lookup_host(to).await?;
    let none = || io::Error::new(io::ErrorKind::NotFound, "no such host");
    found.next().ok_or_else(none)
}

async fn tcp(to: &str, peer: &Peer) -> Result<TcpStream, Error> {
    let address = resolve(to).await.map_err(|error| {
        let host = to.rsplit_once(':').map_or(to, |(host, _)| host);
        let unknown = match error.raw_os_error() {
            Some(_) => error,
            None => io::Error::other("no such host"),
        };
        Error::connection(format!("dial tcp: lookup {host}"))(unknown)
    })?;
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(Error::connection(peer.words()))?;
    // Slower without, but no worse.
    drop(stream.set_nodelay(true));
    Ok(stream)
}

fn datagram(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

impl TlsFiles {
    fn trust(&self) -> Result<registry::Trust, Error> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| Error::Certificate {
                path: path.display().to_string(),
                source,
            })
        };
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(registry::Identity {
                certificate: read(certificate)?,
                key: read(key)?,
            }),
            _ => None,
        };
        Ok(registry::Trust {
            roots: self.authority.iter().map(read).collect::<Result<_, _>>()?,
            identities: identity.into_iter().collect(),
            anybody: self.unverified,
        })
    }
}
