//! One connection, and what becomes of it.

use crate::{Call, Error, Host, RequestBody, Result, Socket};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::fmt;
use tokio::net::{TcpStream, UnixStream};

/// The head of a successful answer; its body is still to be read.
pub type Response = http::Response<Incoming>;

/// A refusal's words are read up to this.
const LARGEST_REFUSAL: usize = 1 << 20;

/// An HTTP/1.1 connection.
pub struct Connection {
    sender: SendRequest<RequestBody>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("open", &self.is_open())
            .finish()
    }
}

/// A connection that became a raw stream.
#[derive(Debug)]
pub struct Stream {
    /// Bytes that came with the head of the answer.
    pub read: Bytes,
    /// The connection.
    pub socket: Socket,
    /// Whether the bytes come in frames ([`crate::Demultiplexer`]); `None` if the daemon did
    /// not say.
    pub multiplexed: Option<bool>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(host: &Host) -> Result<Self> {
        let connected = match host {
            Host::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
            Host::Tcp(address) => TcpStream::connect(address.as_str()).await.map(Socket::Tcp),
        };
        let socket = connected.map_err(|source| Error::Connect {
            host: host.clone(),
            source,
        })?;
        let shaken = handshake(TokioIo::new(socket)).await;
        let (sender, driver) = shaken.map_err(|source| Error::Transport {
            target: host.to_string(),
            source,
        })?;
        // The driver ends with the connection; its error comes to whoever waits for the answer.
        drop(tokio::spawn(
            async move { drop(driver.with_upgrades().await) },
        ));
        Ok(Self { sender })
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and waits for the head of a successful answer.
    pub(crate) async fn send(&mut self, host: &Host, call: Call) -> Result<Response> {
        let answer = self.exchange(host, call).await?;
        refuse(answer).await
    }

    async fn exchange(&mut self, host: &Host, call: Call) -> Result<Response> {
        let target = call.target();
        let request = request(host, call).map_err(|source| Error::Request {
            target: target.clone(),
            source,
        })?;
        let failed = |source| Error::Transport { target, source };
        match self.sender.ready().await {
            Ok(()) => self.sender.send_request(request).await.map_err(failed),
            Err(source) => Err(failed(source)),
        }
    }

    /// Sends a request that takes the connection over.
    pub(crate) async fn hijack(&mut self, host: &Host, call: Call) -> Result<Stream> {
        let target = call.target();
        let call = call
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "tcp");
        let answer = self.exchange(host, call).await?;
        let status = answer.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            refuse(answer).await?;
            return Err(Error::NotHandedOver { target, status });
        }
        let multiplexed = answer.headers().get(header::CONTENT_TYPE).map(is_framed);
        let failed = |source| Error::Transport {
            target: target.clone(),
            source,
        };
        let upgraded = hyper::upgrade::on(answer).await.map_err(failed)?;
        match upgraded.downcast::<TokioIo<Socket>>() {
            Ok(parts) => Ok(Stream {
                read: parts.read_buf,
                socket: parts.io.into_inner(),
                multiplexed,
            }),
            Err(_) => Err(Error::NotHandedOver { target, status }),
        }
    }
}

fn is_framed(content_type: &HeaderValue) -> bool {
    content_type == "application/vnd.docker.multiplexed-stream"
}

fn request(host: &Host, call: Call) -> std::result::Result<Request<RequestBody>, http::Error> {
    let name = match host {
        Host::Unix(_) => "corten",
        Host::Tcp(address) => address.as_str(),
    };
    let mut builder = Request::builder()
        .method(call.method)
        .uri(format!("/v{}{}", crate::api_version(), call.path))
        .header(header::HOST, name)
        .header(
            header::USER_AGENT,
            concat!("corten/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in call.headers {
        builder = builder.header(name, value);
    }
    builder.body(call.body)
}

/// The answer if it is a success, else the daemon's words as an error.
async fn refuse(answer: Response) -> Result<Response> {
    let status = answer.status();
    // Not modified: what was asked for is so already, which is no failure.
    let good = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::NOT_MODIFIED];
    if status.is_success() || good.contains(&status) {
        return Ok(answer);
    }
    let body = http_body_util::Limited::new(answer.into_body(), LARGEST_REFUSAL);
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    Err(Error::Refused {
        status,
        message: words(status, &body),
    })
}

#[derive(serde::Deserialize)]
struct Refusal {
    message: String,
}

fn words(status: StatusCode, body: &[u8]) -> String {
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
        return refusal.message;
    }
    match String::from_utf8_lossy(body).trim() {
        "" => format!("the daemon answered {status}"),
        text => text.to_owned(),
    }
}
