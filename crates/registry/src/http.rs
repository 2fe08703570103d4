//! One request, one answer: with deadlines, and errors in words.

use crate::connector::Connector;
use crate::hosts::Way;
use crate::payload::{Body, Sent};
use crate::{Cause, Error, Settings};
use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, PROXY_AUTHORIZATION, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// The most of an error's body that is read.
const MAX_ERROR: u64 = 64 << 10;
/// Connections that are kept for the next request.
const IDLE: usize = 8;

/// A client of HTTP/1.1 that keeps connections.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client<Connector, Body>,
    connector: Connector,
    settings: Arc<Settings>,
}

/// What a request was about, for errors.
pub(crate) type Answer = Response<Incoming>;

impl Http {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        let connector = Connector::new(Arc::clone(settings));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector.clone());
        Self {
            client,
            connector,
            settings: Arc::clone(settings),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// From now on `authority` is connected to so.
    pub(crate) fn learn(&self, authority: &str, way: Way) -> Result<(), Error> {
        self.connector.learn(authority, way)
    }

    /// Sends a request; the answer's body is still to come.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Answer, Error> {
        if let Some(value) = self.connector.routes.authorization(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        let url = shown(request.uri());
        let method = verb(request.method());
        let failed = |reason: String| {
            let url = url.clone();
            Error::Unreachable {
                method,
                url,
                reason,
            }
        };
        let sent = request.extensions().get::<Sent>().cloned();
        let patience = self.settings.patience.silence + self.settings.patience.connect;
        let mut answering = std::pin::pin!(self.client.request(request));
        let mut before = None;
        loop {
            match timeout(patience, &mut answering).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => return Err(failed(innermost(&error))),
                Err(_) => {}
            }
            // As long as bytes leave, the server is there.
            let now = sent.as_ref().map(Sent::bytes);
            if now.is_none() || now == before {
                let reason = "net/http: timeout awaiting response headers";
                return Err(failed(reason.to_owned()));
            }
            before = now;
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub(crate) async fn next(
        &self,
        url: &str,
        body: &mut Incoming,
    ) -> Result<Option<Bytes>, Error> {
        let unreachable = |reason: String| Error::Unreachable {
            method: "Get",
            url: url.to_owned(),
            reason,
        };
        loop {
            let frame = timeout(self.settings.patience.silence, body.frame()).await;
            let frame = frame.map_err(|_| unreachable("timeout reading the body".to_owned()))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(unreachable(innermost(&error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body, if it has at most `limit` bytes.
    pub(crate) async fn body(
        &self,
        url: &str,
        mut body: Incoming,
        limit: u64,
    ) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(data) = self.next(url, &mut body).await? {
            if (whole.len() + data.len()) as u64 > limit {
                let url = url.to_owned();
                return Err(Error::TooLarge { url, limit });
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// What a registry says about a failure, and when it may be asked again.
    pub(crate) async fn cause(&self, url: &str, answer: Answer) -> (Cause, Option<Duration>) {
        let after = header(&answer, &RETRY_AFTER);
        let after = after.and_then(|text| retry_after(text, SystemTime::now()));
        let status = answer.status();
        let body = self.body(url, answer.into_body(), MAX_ERROR).await;
        let cause = body.ok().and_then(|body| parse(&body));
        let cause = cause.unwrap_or_else(|| Cause {
            code: String::new(),
            message: status.canonical_reason().unwrap_or_default().to_owned(),
        });
        (cause, after)
    }
}

/// A header as text.
pub(crate) fn header<'a>(answer: &'a Answer, name: &HeaderName) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// How long from `now` a `Retry-After` is: in seconds, or as a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        }
    }
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn parse(body: &[u8]) -> Option<Cause> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let first = errors.errors.into_iter().next()?;
    let cut = |text: String| {
        text.chars()
            .filter(|c| !c.is_control())
            .take(1000)
            .collect()
    };
    Some(Cause {
        code: cut(first.code),
        message: cut(first.message),
    })
}

/// The method as Go's client writes it in errors.
pub(crate) fn verb(method: &Method) -> &'static str {
    match method.as_str() {
        "HEAD" => "Head",
        "POST" => "Post",
        "PUT" => "Put",
        "PATCH" => "Patch",
        "DELETE" => "Delete",
        _ => "Get",
    }
}

impl Http {
    /// Whether a URL that a document names may be asked for: by TLS, or in the clear where the
    /// settings allow it.
    pub(crate) fn may_ask(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<http::Uri>() else {
            return false;
        };
        let authority = uri.authority().map(http::uri::Authority::as_str);
        match uri.scheme_str() {
            Some("https") => authority.is_some(),
            Some("http") => authority.is_some_and(|host| self.settings().is_insecure(host)),
            _ => false,
        }
    }
}

/// A URL without its query, which may carry a signature.
pub(crate) fn shown(uri: &http::Uri) -> String {
    let text = uri.to_string();
    match text.split_once('?') {
        Some((plain, _)) => plain.to_owned(),
        None => text,
    }
}

/// The cause that says most.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, seconds) in [
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:38 GMT", Some(1)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let found = retry_after(text, now);
            assert_eq!(found, seconds.map(Duration::from_secs), "{text}");
        }
    }
}
