//! Connections served: HTTP/1.1 and HTTP/2 without TLS, on one socket.

use crate::body::{self, Response, Sent};
use crate::call::Call;
use crate::containers::Gates;
use crate::error::Error;
use crate::legacy::{Protocol, Sniffed, Turn};
use crate::metrics::Actions;
use crate::query::Query;
use crate::routes::ROUTES;
use crate::stream::Stream;
use crate::version::{self, ApiVersion};
use engine::Engine;
use http::{HeaderName, HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The Engine API. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api {
    services: Arc<Services>,
    pub(crate) gates: Gates,
    pub(crate) actions: Actions,
}

/// What the API is made of.
#[derive(Debug)]
pub struct Services {
    /// What does the work.
    pub engine: Engine,
    /// Every task of the API, so that a stop can wait for them.
    pub tracker: TaskTracker,
    /// Says that the daemon stops.
    pub stopping: CancellationToken,
    /// What the daemon says of itself.
    pub about: RwLock<Arc<About>>,
}

/// What the daemon says of itself in `/info`, beyond what the engine knows.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The daemon's id, the same after a restart.
    pub id: String,
    /// The machine.
    pub host: Host,
    /// The daemon's labels.
    pub labels: Vec<String>,
    /// Whether it logs for debugging.
    pub debug: bool,
    /// How registries are spoken to.
    pub registries: ::images::Settings,
}

/// The machine, as it was when the daemon started.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The kernel's release.
    pub kernel: String,
    /// The distribution, `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// The distribution's version.
    pub system_version: String,
    /// Processors.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// 2 if cgroup v2 alone is mounted, else 1.
    pub cgroup_version: u8,
    /// Packets are forwarded.
    pub ipv4_forwarding: bool,
}

impl std::ops::Deref for Api {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl Api {
    /// The API over these services.
    pub fn new(services: Services) -> Self {
        Self {
            services: Arc::new(services),
            gates: Gates::default(),
            actions: Actions::default(),
        }
    }

    /// What the daemon says of itself.
    pub fn about(&self) -> Arc<About> {
        let about = self.about.read();
        Arc::clone(&about.unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on the daemon says this of itself.
    pub fn set_about(&self, about: About) {
        let held = self.about.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(about);
    }

    /// Serves one connection to its end, or until the daemon stops.
    ///
    /// # Errors
    /// If the client breaks the protocol or goes away in the middle of it.
    pub async fn serve(
        &self,
        stream: Stream,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let sniffed = tokio::select! {
            () = self.stopping.cancelled() => return Ok(()),
            sniffed = Sniffed::read(stream) => sniffed?,
        };
        let api = self.clone();
        let (protocol, idle) = (sniffed.protocol(), sniffed.idle());
        let service = service_fn(move |request| {
            let (api, idle) = (api.clone(), idle.clone());
            async move {
                let turn = idle.turn();
                let response = api.answer(request, Arc::clone(&turn)).await;
                Ok::<_, Infallible>(body::until_sent(response, turn))
            }
        });
        let io = TokioIo::new(sniffed);
        match protocol {
            Protocol::Http1 => {
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .with_upgrades();
                let mut connection = pin!(connection);
                tokio::select! {
                    served = &mut connection => return Ok(served?),
                    () = self.stopping.cancelled() => {}
                }
                connection.as_mut().graceful_shutdown();
                Ok(connection.await?)
            }
            Protocol::Http2 => {
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service);
                let mut connection = pin!(connection);
                tokio::select! {
                    served = &mut connection => return Ok(served?),
                    () = self.stopping.cancelled() => {}
                }
                connection.as_mut().graceful_shutdown();
                Ok(connection.await?)
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, turn: Arc<Turn>) -> Response {
        let mut response = match self.call(request, turn).await {
            Ok(response) => response,
            Err(error) => {
                let status = error.status();
                if status.is_server_error() {
                    tracing::warn!(%status, %error, "request failed");
                }
                error.into_response()
            }
        };
        let headers = response.headers_mut();
        for (name, value) in COMMON {
            headers.insert(name, value);
        }
        if let Ok(newest) = HeaderValue::try_from(ApiVersion::NEWEST.to_string()) {
            headers.insert(API_VERSION, newest);
        }
        response
    }

    async fn call(&self, request: Request<Incoming>, turn: Arc<Turn>) -> Result<Response, Error> {
        let (mut head, body) = request.into_parts();
        let body = Sent::new(body, turn);
        let path = head.uri.path().to_owned();
        let (version, path) = version::split(&path)?;
        let found = ROUTES.iter().find_map(|route| {
            let params = route.matches(&head.method, path)?;
            Some((route, params))
        });
        let (route, params) = found.ok_or_else(Error::page_not_found)?;
        tracing::debug!(method = %head.method, path, "request");
        let query = Query::parse(head.uri.query().unwrap_or(""));
        let imports = !query.text("fromSrc").is_empty();
        let call = Call {
            api: self.clone(),
            version,
            params,
            query,
            upgrade: head.extensions.remove(),
            headers: head.headers,
            body,
        };
        // A task of its own: a client that goes away does not cut an operation in half.
        // An image of an archive is not pulled.
        let timed = match imports {
            true => None,
            false => self.actions.begin(&head.method, route.pattern),
        };
        let answer = self.tracker.spawn((route.handler)(call)).await;
        let answer = answer.unwrap_or_else(|error| {
            Err(Error::new(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                format!("the operation was given up: {error}"),
            ))
        });
        Ok(match timed {
            Some(timed) => body::until_sent(answer?, timed),
            None => answer?,
        })
    }
}

const API_VERSION: HeaderName = HeaderName::from_static("api-version");
const SERVER: &str = concat!("corten/", env!("CARGO_PKG_VERSION"), " (linux)");
const COMMON: [(HeaderName, HeaderValue); 3] = [
    (
        HeaderName::from_static("docker-experimental"),
        HeaderValue::from_static("false"),
    ),
    (
        HeaderName::from_static("ostype"),
        HeaderValue::from_static("linux"),
    ),
    (header::SERVER, HeaderValue::from_static(SERVER)),
];
