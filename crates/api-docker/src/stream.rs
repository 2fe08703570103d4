//! An accepted connection, of whatever family.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

/// An accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// On a Unix socket.
    Unix(UnixStream),
    /// On TCP, not encrypted.
    Tcp(TcpStream),
    /// On TCP, encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket itself; of an encrypted connection one whose bytes are carried over here.
    pub(crate) fn into_fd(self, tracker: &TaskTracker) -> io::Result<OwnedFd> {
        Ok(match self {
            Self::Unix(stream) => stream.into_std()?.into(),
            Self::Tcp(stream) => stream.into_std()?.into(),
            Self::Tls(mut stream) => {
                let (mut ours, theirs) = UnixStream::pair()?;
                tracker.spawn(async move {
                    // However it ends, both ends learn of it by their sockets.
                    drop(copy_bidirectional(&mut stream, &mut ours).await);
                });
                theirs.into_std()?.into()
            }
        })
    }
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Unix($stream) => $call,
            Stream::Tcp($stream) => $call,
            Stream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
