//! Answers that are read as they come: documents (pulls, loads, events, statistics) or bytes.

use crate::{Error, Response, Result};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One document must fit in this.
const LARGEST_DOCUMENT: usize = 16 << 20;

/// A sequence of documents as they come.
#[derive(Debug)]
pub struct JsonStream {
    target: String,
    answer: Response,
    read: Vec<u8>,
    ended: bool,
}

impl JsonStream {
    pub(crate) fn new(target: String, answer: Response) -> Self {
        Self {
            target,
            answer,
            read: Vec::new(),
            ended: false,
        }
    }

    /// The next document; `None` after the last one.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(document) = self.take()? {
                let document = docker_schema::decode_value(&document);
                return document.map(Some).map_err(|e| self.undecodable(e));
            }
            if self.ended {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// Decodes one document from what was read, if it is whole.
    fn take(&mut self) -> Result<Option<Value>> {
        let mut documents = serde_json::Deserializer::from_slice(&self.read).into_iter();
        let document = match documents.next() {
            None => None,
            Some(Ok(document)) => Some(document),
            Some(Err(source)) if source.is_eof() && !self.ended => None,
            Some(Err(source)) => return Err(self.undecodable(source)),
        };
        if document.is_some() {
            let taken = documents.byte_offset();
            self.read.drain(..taken);
        }
        Ok(document)
    }

    fn undecodable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Decode {
            target: self.target.clone(),
            source: source.into(),
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let broken = |reason: String| Error::Body {
            target: self.target.clone(),
            reason,
        };
        match self.answer.body_mut().frame().await {
            None => self.ended = true,
            Some(Err(source)) => return Err(broken(source.to_string())),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.read.extend_from_slice(&data);
                }
                if self.read.len() > LARGEST_DOCUMENT {
                    return Err(broken("a document is larger than 16 MiB".into()));
                }
            }
        }
        Ok(())
    }
}

/// The bytes of an answer as they come.
#[derive(Debug)]
pub struct BytesStream {
    target: String,
    answer: Response,
}

impl BytesStream {
    pub(crate) fn new(target: String, answer: Response) -> Self {
        Self { target, answer }
    }

    /// The answer's headers.
    pub fn headers(&self) -> &http::HeaderMap {
        self.answer.headers()
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>> {
        loop {
            match self.answer.body_mut().frame().await {
                None => return Ok(None),
                Some(Err(source)) => {
                    return Err(Error::Body {
                        target: self.target.clone(),
                        reason: source.to_string(),
                    });
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
