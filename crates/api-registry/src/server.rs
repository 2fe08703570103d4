//! Connections, until the server is dropped.

use crate::access::Access;
use crate::depot::Depot;
use crate::routes;
use crate::tls::{Tls, TlsError};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a client may take to come to terms about TLS.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// A registry that listens.
pub struct Server {
    listener: TcpListener,
    house: House,
    acceptor: Option<TlsAcceptor>,
}

/// What stands before a registry.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Without: in the clear.
    pub tls: Option<Tls>,
    /// Without: everybody may do everything.
    pub access: Option<Access>,
}

/// What every request is answered with.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) depot: Depot,
    pub(crate) access: Option<Access>,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

/// Why a server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The certificates.
    #[error("cannot set up TLS")]
    Tls {
        /// Why.
        source: TlsError,
    },
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("house", &self.house)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Listens at an address.
    pub async fn bind(address: SocketAddr, depot: Depot, guard: Guard) -> Result<Self, BindError> {
        let acceptor = guard.tls.as_ref().map(Tls::acceptor).transpose();
        let acceptor = acceptor.map_err(|source| BindError::Tls { source })?;
        let listener = TcpListener::bind(address).await;
        Ok(Self {
            listener: listener.map_err(|source| BindError::Listen { address, source })?,
            house: House {
                depot,
                access: guard.access,
                scheme: if acceptor.is_some() { "https" } else { "http" },
            },
            acceptor,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is done; connections end with it.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let mut stop = std::pin::pin!(stop);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => {
                    // One connection that cannot be had must not end the others.
                    let Ok((stream, _)) = accepted else { continue };
                    drop(stream.set_nodelay(true));
                    let (house, acceptor) = (self.house.clone(), self.acceptor.clone());
                    connections.spawn(greet(house, stream, acceptor));
                }
            }
        }
    }
}

/// Talks to a client, by TLS if there is such. One that breaks off needs to hear nothing.
async fn greet(house: House, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    let Some(acceptor) = acceptor else {
        return talk(house, stream).await;
    };
    if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
        talk(house, stream).await;
    }
}

async fn talk(house: House, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request| {
        let house = house.clone();
        async move { Ok::<_, Infallible>(routes::answer(house, request).await) }
    });
    let builder = Builder::new(TokioExecutor::new());
    drop(
        builder
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
