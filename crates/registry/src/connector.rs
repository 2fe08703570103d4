//! Connections: TCP, and TLS over it.

use crate::settings::{Settings, name_of};
use crate::tls;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    settings: Arc<Settings>,
    /// Reading certificates takes a while: at the first need.
    trusting: Arc<OnceLock<Arc<ClientConfig>>>,
    credulous: Arc<OnceLock<Arc<ClientConfig>>>,
}

trait Io: Read + Write + Send {}
impl<T: Read + Write + Send> Io for T {}

/// A connection, plain or not.
pub(crate) struct Stream(Pin<Box<dyn Io>>);

impl Connector {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            trusting: Arc::default(),
            credulous: Arc::default(),
        }
    }

    async fn connect(self, uri: Uri) -> io::Result<Stream> {
        let patience = self.settings.patience.connect;
        match timeout(patience, self.dial(&uri)).await {
            Ok(stream) => stream,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
        }
    }

    async fn dial(&self, uri: &Uri) -> io::Result<Stream> {
        let host = uri.host().unwrap_or_default();
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let name = name_of(host);
        let dialled = TcpStream::connect((name, port)).await;
        let tcp = dialled.map_err(|error| {
            let place = match error.raw_os_error() {
                Some(_) => format!("{name}:{port}: connect"),
                None => format!("lookup {name}"),
            };
            said(&error, format!("dial tcp {place}"))
        })?;
        drop(tcp.set_nodelay(true)); // Slower without, but no worse.
        if !secure {
            return Ok(Stream(Box::pin(TokioIo::new(tcp))));
        }
        let config = self.config(uri)?;
        let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let handshaken = TlsConnector::from(config).connect(server, tcp).await;
        let stream = handshaken.map_err(|error| said(&error, "tls".to_owned()))?;
        Ok(Stream(Box::pin(TokioIo::new(stream))))
    }

    fn config(&self, uri: &Uri) -> io::Result<Arc<ClientConfig>> {
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let (cell, make): (_, fn() -> _) = match self.settings.is_insecure(authority) {
            true => (&self.credulous, tls::credulous),
            false => (&self.trusting, tls::trusting),
        };
        if let Some(config) = cell.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(make().map_err(io::Error::other)?);
        Ok(Arc::clone(cell.get_or_init(|| config)))
    }
}

/// COMPAT: the reasons are in Go's words, which people know.
fn said(error: &io::Error, attempt: String) -> io::Error {
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        _ if attempt.contains("lookup") => "no such host".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{attempt}: {words}"))
}

impl tower::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}
