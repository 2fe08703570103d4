//! A blob on its way: resumed where a connection was cut.

use crate::exchange::{Answered, Ask};
use crate::http::header;
use crate::repository::{Pauses, What};
use crate::{Error, Repository};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_RANGE;
use hyper::body::Incoming;
use oci::image::Descriptor;

/// A blob on its way. Its bytes come in order and exactly once; whoever stores them verifies
/// the digest.
#[derive(Debug)]
pub struct Download {
    repository: Repository,
    descriptor: Descriptor,
    /// Bytes given so far, with those that were there before.
    at: u64,
    connection: Option<Connection>,
    pauses: Pauses,
}

#[derive(Debug)]
struct Connection {
    url: String,
    body: Incoming,
    /// Bytes at the start that are here already: the server knows no ranges.
    skip: u64,
}

impl Download {
    pub(crate) fn new(repository: Repository, descriptor: Descriptor, from: u64) -> Self {
        let pauses = Pauses::new(repository.http().settings());
        Self {
            repository,
            descriptor,
            at: from,
            connection: None,
            pauses,
        }
    }

    /// Bytes that are here.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next bytes; `None` when all have come.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while self.at < self.descriptor.size {
            match self.step().await {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.pauses.renew();
                    return Ok(Some(bytes));
                }
                Ok(None) => {}
                Err(error) => {
                    self.connection = None;
                    self.pauses.after(error).await?;
                }
            }
        }
        Ok(None)
    }

    /// Some bytes, or none yet.
    async fn step(&mut self) -> Result<Option<Bytes>, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let http = self.repository.http();
        let next = http.next(&connection.url, &mut connection.body).await?;
        let Some(mut bytes) = next else {
            return Err(Error::Unreachable {
                method: "Get",
                url: connection.url,
                reason: "unexpected EOF".to_owned(),
            });
        };
        let skipped = connection.skip.min(bytes.len() as u64);
        connection.skip -= skipped;
        let bytes = bytes.split_off(usize::try_from(skipped).unwrap_or(usize::MAX));
        if self.at + bytes.len() as u64 > self.descriptor.size {
            return Err(Error::TooLarge {
                url: connection.url,
                limit: self.descriptor.size,
            });
        }
        self.connection = Some(connection);
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let digest = &self.descriptor.digest;
        let path = format!("{}/blobs/{digest}", self.repository.path());
        let ask = Ask::get(path).from(self.at);
        let Answered { url, answer } = self.repository.ask(ask, What::Blob).await?;
        let skip = match answer.status() {
            StatusCode::PARTIAL_CONTENT => {
                let start = header(&answer, &CONTENT_RANGE).and_then(start_of);
                if start != Some(self.at) {
                    let reason = format!("asked for bytes from {}, given others", self.at);
                    return Err(Error::Protocol { url, reason });
                }
                0
            }
            _ => self.at,
        };
        Ok(Connection {
            url,
            body: answer.into_body(),
            skip,
        })
    }
}

/// The first byte of `bytes 5-9/10`.
pub(crate) fn start_of(range: &str) -> Option<u64> {
    let bytes = range.trim().strip_prefix("bytes ")?;
    bytes.split('-').next()?.trim().parse().ok()
}
