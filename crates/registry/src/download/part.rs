//! A stretch of a blob on its way: resumed where a connection was cut.

use crate::exchange::{Answered, Ask};
use crate::http::header;
use crate::repository::{Pauses, What};
use crate::{Error, Repository};
use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use oci::image::Descriptor;
use std::ops::Range;

/// A stretch of a blob. Its bytes come in order and exactly once.
#[derive(Debug)]
pub(super) struct Part {
    repository: Repository,
    descriptor: Descriptor,
    /// The next byte.
    at: u64,
    /// The byte after the last.
    end: u64,
    /// It goes on to the blob's end with a server that knows no ranges.
    extends: bool,
    connection: Option<Connection>,
    pauses: Pauses,
}

#[derive(Debug)]
struct Connection {
    url: String,
    body: Incoming,
    /// Bytes at the start that are here already: the server knows no ranges.
    skip: u64,
    /// Its last byte is the stretch's.
    ends: bool,
}

impl Part {
    /// From one byte of a blob to before another.
    pub(super) fn new(repository: &Repository, descriptor: &Descriptor, bytes: Range<u64>) -> Self {
        Self {
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            at: bytes.start,
            end: bytes.end,
            extends: false,
            connection: None,
            pauses: Pauses::new(repository.http().settings()),
        }
    }

    /// It goes on to the blob's end with a server that knows no ranges.
    pub(super) fn extending(mut self) -> Self {
        self.extends = true;
        self
    }

    /// The byte after the last: of the blob, once a server was found not to know ranges.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The next bytes; `None` when all have come.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while self.at < self.end {
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

    /// All that is left of it.
    pub(super) async fn all(mut self) -> Result<Vec<Bytes>, Error> {
        let mut chunks = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            chunks.push(chunk);
        }
        Ok(chunks)
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
        let mut bytes = bytes.split_off(usize::try_from(skipped).unwrap_or(usize::MAX));
        let room = self.end - self.at;
        if bytes.len() as u64 > room {
            if connection.ends {
                return Err(Error::TooLarge {
                    url: connection.url,
                    limit: self.end,
                });
            }
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.connection = Some(connection);
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    async fn connect(&mut self) -> Result<Connection, Error> {
        let digest = &self.descriptor.digest;
        let path = format!("{}/blobs/{digest}", self.repository.path());
        let last = (self.end < self.descriptor.size).then(|| self.end - 1);
        let ask = Ask::get(path).range(self.at, last);
        let answered = match self.repository.ask(ask, What::Blob).await {
            Err(error @ Error::Status { status: 404, .. }) => {
                self.elsewhere(last).await.ok_or(error)
            }
            answered => answered,
        };
        let Answered { url, answer } = answered?;
        let (skip, ends) = match answer.status() {
            StatusCode::PARTIAL_CONTENT => {
                let start = header(&answer, &CONTENT_RANGE).and_then(start_of);
                if start != Some(self.at) {
                    let reason = format!("asked for bytes from {}, given others", self.at);
                    return Err(Error::Protocol { url, reason });
                }
                (0, true)
            }
            _ => {
                // It is all of the blob that comes.
                if self.extends {
                    self.end = self.descriptor.size;
                }
                (self.at, self.end == self.descriptor.size)
            }
        };
        Ok(Connection {
            url,
            body: answer.into_body(),
            skip,
            ends,
        })
    }
}

impl Part {
    /// The blob from one of the other places that its descriptor names: layers that their maker
    /// alone may give are in no registry. No credentials are shown there.
    async fn elsewhere(&self, last: Option<u64>) -> Option<Answered> {
        for url in &self.descriptor.urls {
            if !self.repository.http().may_ask(url) {
                continue;
            }
            let ask = Ask::at(Method::GET, url).range(self.at, last);
            if let Ok(answered) = self.repository.ask(ask, What::Blob).await {
                return Some(answered);
            }
        }
        None
    }
}

/// The first byte of `bytes 5-9/10`.
pub(crate) fn start_of(range: &str) -> Option<u64> {
    let bytes = range.trim().strip_prefix("bytes ")?;
    bytes.split('-').next()?.trim().parse().ok()
}
