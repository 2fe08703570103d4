//! Connections: TCP, through a proxy or not, and TLS over it.

use crate::Error;
use crate::hosts::Way;
use crate::proxy::Routes;
use crate::settings::{Settings, name_of};
use crate::tls::Trust;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    settings: Arc<Settings>,
    pub(crate) routes: Routes,
    /// How single servers are connected to; the last word about one counts.
    ways: Arc<Mutex<HashMap<String, Known>>>,
    /// Reading certificates takes a while: at the first need.
    trusting: Arc<OnceLock<Arc<ClientConfig>>>,
    credulous: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// The way to a server, and what was made of it.
#[derive(Clone, Debug)]
struct Known {
    way: Way,
    config: Arc<ClientConfig>,
}

trait Io: Read + Write + Send {}
impl<T: Read + Write + Send> Io for T {}

/// A connection, plain or not.
pub(crate) struct Stream {
    io: Pin<Box<dyn Io>>,
    /// Whether a proxy at the other end reads the requests.
    proxied: bool,
}

impl Connector {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            routes: settings.proxies.routes(),
            settings,
            ways: Arc::default(),
            trusting: Arc::default(),
            credulous: Arc::default(),
        }
    }

    /// From now on `authority` is connected to so.
    pub(crate) fn learn(&self, authority: &str, way: Way) -> Result<(), Error> {
        let mut ways = self.ways();
        if ways.get(authority).is_none_or(|known| known.way != way) {
            let config = Arc::new(way.trust.config()?);
            ways.insert(authority.to_owned(), Known { way, config });
        }
        Ok(())
    }

    fn ways(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, uri: &Uri) -> Option<Known> {
        self.ways().get(authority(uri)).cloned()
    }

    async fn connect(self, uri: Uri) -> io::Result<Stream> {
        let own = self.known(&uri).and_then(|known| known.way.connect);
        let patience: Duration = own.unwrap_or(self.settings.patience.connect);
        match timeout(patience, self.dial(&uri)).await {
            Ok(stream) => stream,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
        }
    }

    async fn dial(&self, uri: &Uri) -> io::Result<Stream> {
        let proxy = self.routes.to(uri);
        let secure = uri.scheme_str() == Some("https");
        let tcp = match &proxy {
            None => tcp(uri).await?,
            Some(proxy) => through(proxy, uri).await?,
        };
        if !secure {
            let is_http = |proxy: &Intercept| proxy.uri().scheme_str() == Some("http");
            return Ok(Stream {
                proxied: proxy.as_ref().is_some_and(is_http),
                io: Box::pin(tcp),
            });
        }
        let config = self.config(uri)?;
        let name = name_of(authority(uri)).to_owned();
        let server = ServerName::try_from(name).map_err(io::Error::other)?;
        let tls = TlsConnector::from(config);
        let handshaken = tls.connect(server, tcp.into_inner()).await;
        let stream = handshaken.map_err(|error| said(&error, "tls".to_owned()))?;
        Ok(Stream {
            io: Box::pin(TokioIo::new(stream)),
            proxied: false,
        })
    }

    fn config(&self, uri: &Uri) -> io::Result<Arc<ClientConfig>> {
        if let Some(known) = self.known(uri) {
            return Ok(known.config);
        }
        let (cell, trust) = match self.settings.is_insecure(authority(uri)) {
            true => (&self.credulous, Trust::anybody()),
            false => (&self.trusting, Trust::default()),
        };
        if let Some(config) = cell.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(trust.config().map_err(io::Error::other)?);
        Ok(Arc::clone(cell.get_or_init(|| config)))
    }
}

fn authority(uri: &Uri) -> &str {
    uri.authority().map_or("", http::uri::Authority::as_str)
}

/// A connection to where `uri` says.
async fn tcp(uri: &Uri) -> io::Result<TokioIo<TcpStream>> {
    let secure = uri.scheme_str() == Some("https");
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("socks5" | "socks5h")) => 1080,
        (None, _) => {
            if secure {
                443
            } else {
                80
            }
        }
    };
    let name = name_of(authority(uri).rsplit('@').next().unwrap_or_default());
    let dialled = TcpStream::connect((name, port)).await;
    let tcp = dialled.map_err(|error| {
        let place = match error.raw_os_error() {
            Some(_) => format!(" {name}:{port}: connect"),
            None => format!(": lookup {name}{}", name_server()),
        };
        said(&error, format!("dial tcp{place}"))
    })?;
    drop(tcp.set_nodelay(true)); // Slower without, but no worse.
    Ok(TokioIo::new(tcp))
}

/// The name server that was asked, as Go's errors name it.
fn name_server() -> String {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?
    });
    match server.unwrap_or("127.0.0.1").parse() {
        Ok(std::net::IpAddr::V6(ip)) => format!(" on [{ip}]:53"),
        Ok(std::net::IpAddr::V4(ip)) => format!(" on {ip}:53"),
        Err(_) => String::new(),
    }
}

/// A connection by way of a proxy; to one that reads requests in the clear, no further.
async fn through(proxy: &Intercept, uri: &Uri) -> io::Result<TokioIo<TcpStream>> {
    let at = proxy.uri().clone();
    let failed = |error: &dyn std::error::Error| {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            words = inner.to_string();
            cause = inner.source();
        }
        io::Error::other(format!("proxyconnect tcp: {words}"))
    };
    let dial = tower::service_fn(|uri: Uri| async move { tcp(&uri).await });
    if at.scheme_str() != Some("http") {
        let mut socks = SocksV5::new(at, dial);
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        return socks
            .call(uri.clone())
            .await
            .map_err(|error| failed(&error));
    }
    if uri.scheme_str() != Some("https") {
        return tcp(&at).await.map_err(|error| failed(&error));
    }
    let mut tunnel = Tunnel::new(at, dial);
    if let Some(value) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(value.clone());
    }
    tunnel
        .call(uri.clone())
        .await
        .map_err(|error| failed(&error))
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

impl Service<Uri> for Connector {
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
        Connected::new().proxy(self.proxied)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(cx)
    }
}
