//! Connections, until the server is dropped.

use crate::depot::Depot;
use crate::routes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A registry that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    depot: Depot,
}

impl Server {
    /// Listens at an address.
    pub async fn bind(address: SocketAddr, depot: Depot) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, depot })
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
                    let depot = self.depot.clone();
                    let service = service_fn(move |request| {
                        let depot = depot.clone();
                        async move { Ok::<_, Infallible>(routes::answer(depot, request).await) }
                    });
                    connections.spawn(async move {
                        // A client that breaks off needs to hear nothing.
                        let builder = Builder::new(TokioExecutor::new());
                        drop(builder.serve_connection(TokioIo::new(stream), service).await);
                    });
                }
            }
        }
    }
}
