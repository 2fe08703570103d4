//! A request in the making.

use crate::{Error, RequestBody, Result};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use std::fmt::Write;
use tokio::io::AsyncRead;

/// A request: method, path, query, headers and body.
#[derive(Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: RequestBody,
}

/// `text` as one path component or query value.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: RequestBody::Empty,
        }
    }

    /// A request that reads. `path` is encoded already, see [`encode`].
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A request that asks only for the head of the answer.
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path)
    }

    /// A request that does something.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A request that puts something where its path says.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// A request that removes.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds `key=value` to the query.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.path
            .push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(key);
        self.path.push('=');
        self.path.push_str(&encode(value.as_ref()));
        self
    }

    /// Adds `key=1` to the query if `set`.
    #[must_use]
    pub fn flag(self, key: &str, set: bool) -> Self {
        match set {
            true => self.query(key, "1"),
            false => self,
        }
    }

    /// Adds `key=value` to the query if there is a value.
    #[must_use]
    pub fn optional(self, key: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    /// Adds a header; a value that no header can carry is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Carries a JSON document.
    pub fn json(mut self, document: &impl serde::Serialize) -> Result<Self> {
        let body = serde_json::to_vec(document).map_err(|source| Error::Encode {
            target: self.target(),
            source,
        })?;
        self.body = RequestBody::Bytes(Bytes::from(body));
        Ok(self.header(header::CONTENT_TYPE, "application/json"))
    }

    /// Carries a stream, by convention a tar archive.
    #[must_use]
    pub fn stream(mut self, reader: impl AsyncRead + Send + 'static) -> Self {
        self.body = RequestBody::Stream(Box::pin(reader));
        self.header(header::CONTENT_TYPE, "application/x-tar")
    }

    /// Method and path, for messages.
    pub(crate) fn target(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_is_percent_encoded() {
        let call = Call::get("/a")
            .query("filters", r#"{"a":["b c"]}"#)
            .flag("all", true)
            .flag("size", false)
            .optional("name", Some("é/x"));
        assert_eq!(
            call.path,
            "/a?filters=%7B%22a%22%3A%5B%22b%20c%22%5D%7D&all=1&name=%C3%A9%2Fx"
        );
    }
}
