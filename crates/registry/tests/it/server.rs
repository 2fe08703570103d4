//! A registry of one answer, plain or by TLS, that notes what it was asked.

use crate::authority::{Authority, Identity};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

type Answers = Arc<dyn Fn(&Request<Bytes>) -> Response<Full<Bytes>> + Send + Sync>;

/// A server that ends with its test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    log: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    answers: Answers,
    /// Whether the question if it is there is noted and answered as all others.
    notes_greetings: bool,
}

/// `{"tags":[...]}` with one tag.
pub(crate) fn tagged(tag: &str) -> Response<Full<Bytes>> {
    Response::new(Full::from(format!("{{\"tags\":[\"{tag}\"]}}")))
}

pub(crate) fn status(code: u16) -> Response<Full<Bytes>> {
    let response = Response::builder().status(code);
    response.body(Full::default()).unwrap()
}

impl Server {
    /// In the clear. Whether it is there it says without a note.
    pub(crate) async fn plain(
        answers: impl Fn(&Request<Bytes>) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, Arc::new(answers), false).await
    }

    /// The same, which notes and answers all that it is asked.
    pub(crate) async fn whole(
        answers: impl Fn(&Request<Bytes>) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, Arc::new(answers), true).await
    }

    /// By TLS with this certificate; with an authority, only for whom it vouches for.
    pub(crate) async fn secure(own: &Identity, clients: Option<&Authority>) -> Self {
        let config = config(own, clients);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(Some(acceptor), Arc::new(|_| tagged("secure")), false).await
    }

    async fn start(acceptor: Option<TlsAcceptor>, answers: Answers, notes_greetings: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            log: Arc::default(),
            answers,
            notes_greetings,
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (server, acceptor) = (accepting.clone(), acceptor.clone());
                tokio::spawn(server.greet(tcp, acceptor));
            }
        });
        server
    }

    async fn greet(self, tcp: TcpStream, acceptor: Option<TlsAcceptor>) {
        let Some(acceptor) = acceptor else {
            return self.talk(tcp).await;
        };
        // A client that does not come to terms says why itself.
        if let Ok(tls) = acceptor.accept(tcp).await {
            self.talk(tls).await;
        }
    }

    async fn talk(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new();
        // A client that goes away is no failure.
        drop(connection.serve_connection(TokioIo::new(io), service).await);
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let request = Request::from_parts(head, body);
        if request.uri().path() == "/v2/" && !self.notes_greetings {
            return status(200);
        }
        let line = format!("{} {}", request.method(), request.uri());
        let mut log = self.log.lock().unwrap();
        log.push((line, request.headers().clone()));
        (self.answers)(&request)
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// The first lines of the requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().map(|(line, _)| line.clone()).collect()
    }

    /// A header of each request.
    pub(crate) fn shown(&self, name: &str) -> Vec<Option<String>> {
        let log = self.log.lock().unwrap();
        let value = |headers: &HeaderMap| Some(headers.get(name)?.to_str().unwrap().to_owned());
        log.iter().map(|(_, headers)| value(headers)).collect()
    }
}

fn config(own: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let pem = CertificateDer::from_pem_slice(authority.pem.as_bytes());
            roots.add(pem.unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    builder.with_single_cert(chain, key).unwrap()
}
