//! A client of the Docker Engine API on a socket, with attach and log streams.
//!
//! It knows HTTP, how a connection is taken over for a container's streams, and how the
//! daemon says no. It must not know what a command is called or how a table looks.
//! Read first: [`Client`], [`Call`], [`Error`].
//!
//! Everything runs on the caller's current-thread runtime: a command is one short process,
//! and threads would cost more than they save.

mod body;
mod call;
mod connection;
pub mod credentials;
mod error;
mod host;
mod socket;
mod stdcopy;
mod stream;

use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::sync::OnceLock;

pub use body::RequestBody;
pub use call::{Call, encode};
pub use connection::{Connection, Response, Stream};
pub use error::Error;
pub use host::{Host, HostError};
pub use socket::Socket;
pub use stdcopy::{Chunk, Demultiplexer, Source};
pub use stream::{BytesStream, JsonStream};

/// What a request may give.
pub type Result<T> = std::result::Result<T, Error>;

/// The version of the API whose documents are read and sent: `DOCKER_API_VERSION` for a daemon
/// that is older, else the one of Docker 28's client.
pub fn api_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let named = std::env::var("DOCKER_API_VERSION").ok();
        named
            .filter(|version| !version.is_empty())
            .unwrap_or_else(|| DEFAULT_API_VERSION.to_owned())
    })
}

/// What [`api_version`] is if nobody says.
pub const DEFAULT_API_VERSION: &str = "1.51";

/// The largest answer that is read into memory; streams have no such bound.
const LARGEST_ANSWER: usize = 256 << 20;

/// Speaks to one daemon; keeps its idle connections.
#[derive(Debug)]
pub struct Client {
    host: Host,
    idle: RefCell<Vec<Connection>>,
}

impl Client {
    /// A client of the daemon at `host`. Nothing is connected yet.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            idle: RefCell::default(),
        }
    }

    /// Where the daemon is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Makes sure that `count` connections are open and idle, so that requests that follow each
    /// other closely do not wait for the daemon to accept.
    pub async fn open(&self, count: usize) -> Result<()> {
        let missing = count.saturating_sub(self.idle.borrow().len());
        for _ in 0..missing {
            let connection = Connection::open(&self.host).await?;
            self.idle.borrow_mut().push(connection);
        }
        Ok(())
    }

    async fn connection(&self) -> Result<Connection> {
        loop {
            let kept = self.idle.borrow_mut().pop();
            match kept {
                Some(connection) if connection.is_open() => return Ok(connection),
                Some(_) => {}
                None => return Connection::open(&self.host).await,
            }
        }
    }

    /// Sends a request and waits for the head of a successful answer.
    pub async fn send(&self, call: Call) -> Result<Response> {
        let mut connection = self.connection().await?;
        connection.send(&self.host, call).await
    }

    /// Sends a request and reads the whole answer; the connection is kept for the next one.
    pub async fn bytes(&self, call: Call) -> Result<Vec<u8>> {
        let mut connection = self.connection().await?;
        let target = call.target();
        let answer = connection.send(&self.host, call).await?;
        let body = http_body_util::Limited::new(answer.into_body(), LARGEST_ANSWER);
        let body = body.collect().await.map_err(|source| Error::Body {
            target,
            reason: source.to_string(),
        })?;
        self.idle.borrow_mut().push(connection);
        Ok(body.to_bytes().to_vec())
    }

    /// Sends a request whose answer says nothing.
    pub async fn done(&self, call: Call) -> Result<()> {
        self.bytes(call).await.map(drop)
    }

    /// Sends a request and decodes the answer.
    pub async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let target = call.target();
        let body = self.bytes(call).await?;
        docker_schema::decode(&body).map_err(|source| Error::Decode {
            target,
            source: source.into(),
        })
    }

    /// Sends a request whose answer is a sequence of JSON documents.
    pub async fn json_stream(&self, call: Call) -> Result<JsonStream> {
        let target = call.target();
        Ok(JsonStream::new(target, self.send(call).await?))
    }

    /// Sends a request whose answer is read as it comes.
    pub async fn bytes_stream(&self, call: Call) -> Result<BytesStream> {
        let target = call.target();
        Ok(BytesStream::new(target, self.send(call).await?))
    }

    /// Sends a request that turns its connection into a raw stream in both directions.
    pub async fn hijack(&self, call: Call) -> Result<Stream> {
        let mut connection = self.connection().await?;
        connection.hijack(&self.host, call).await
    }
}
