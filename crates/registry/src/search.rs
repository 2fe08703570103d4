//! Images searched by words, at a registry's first API.

use crate::exchange::{Answered, Ask, Exchange, Learnt};
use crate::repository::Registries;
use crate::target::{Target, searched};
use crate::{Credentials, Error};
use http::StatusCode;
use serde::Deserialize;

/// The most bytes that are read of what is found.
const MAX_RESULTS: u64 = 4 << 20;

/// An image that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// What its maker says of it.
    pub description: String,
    /// How many people marked it.
    pub star_count: u64,
    /// It is looked after by the registry's own people.
    pub is_official: bool,
    /// It was made by the registry.
    pub is_automated: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Findings {
    results: Vec<Finding>,
}

impl Registries {
    /// Searches the registry at `host` for images with `words`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Searched`] if it has no such API; [`Error::Endpoint`] if it is not there.
    pub async fn search(
        &self,
        host: &str,
        (words, limit): (&str, u32),
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Finding>, Error> {
        let target = searched(host, self.http())?;
        let learnt = Learnt::default();
        let exchange = Exchange {
            http: self.http(),
            target: &target,
            credentials,
            scopes: &[],
            learnt: &learnt,
        };
        // COMPAT: but for Docker Hub's own it is asked first whether it is there.
        if target.host == host {
            let answered = exchange.get(&Ask::get("_ping".to_owned())).await;
            let answered = answered.map_err(unsearched);
            answered.map_err(|error| endpoint(&target, error))?;
        }
        let query = format!("?q={}&n={limit}", escaped(words));
        let answered = exchange.get(&Ask::get(format!("search{query}"))).await;
        let answered = answered.map_err(unsearched);
        let Answered { url, answer } = answered.map_err(|error| with_query(error, &query))?;
        match answer.status() {
            StatusCode::OK => {}
            status => {
                return Err(Error::Searched {
                    status: status.as_u16(),
                });
            }
        }
        let body = self.http().body(&url, answer.into_body(), MAX_RESULTS);
        let found: Result<Findings, _> = serde_json::from_slice(&body.await?);
        found
            .map(|found| found.results)
            .map_err(|error| Error::Protocol {
                url,
                reason: error.to_string(),
            })
    }
}

/// COMPAT: here the address is told whole; nothing in it is a secret.
fn with_query(error: Error, query: &str) -> Error {
    match error {
        Error::Unreachable {
            method,
            url,
            reason,
        } => Error::Unreachable {
            method,
            url: url + query,
            reason,
        },
        error => error,
    }
}

/// COMPAT: a search that is refused is told by the status alone.
fn unsearched(error: Error) -> Error {
    match error {
        Error::Unauthorized { .. } | Error::NoCredentials { .. } => Error::Searched { status: 401 },
        error => error,
    }
}

fn endpoint(target: &Target, source: Error) -> Error {
    match source {
        source @ Error::Unreachable { .. } => Error::Endpoint {
            host: target.host.clone(),
            scheme: target.schemes.last().copied().unwrap_or("https"),
            source: Box::new(source),
        },
        error => error,
    }
}

/// Words in a query.
fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for byte in words.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
