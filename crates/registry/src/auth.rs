//! Convincing a registry: a challenge and credentials become an `Authorization`.

use crate::challenge::Challenge;
use crate::http::{Http, shown};
use crate::target::Target;
use crate::{Cause, Credentials, Error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use std::fmt::Write;

/// The most of a token server's answer that is read.
const MAX_TOKEN: u64 = 1 << 20;
/// How corten names itself.
pub(crate) const AGENT: &str = concat!("corten/", env!("CARGO_PKG_VERSION"));

/// Who asks whom for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) http: &'a Http,
    pub(crate) target: &'a Target,
    /// Only ever shown to the reference's own registry and the token server that it names.
    pub(crate) credentials: Option<&'a Credentials>,
    /// The scope if the challenge names none.
    pub(crate) scope: &'a str,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Asking<'_> {
    /// What to show before any challenge.
    pub(crate) fn at_first(&self) -> Option<HeaderValue> {
        match self.own() {
            Some(Credentials::RegistryToken(token)) => sensitive(&format!("Bearer {token}")),
            _ => None,
        }
    }

    /// What to show after these challenges, of the answer to `url`.
    pub(crate) async fn convince(
        &self,
        url: &str,
        challenges: &[Challenge],
    ) -> Result<HeaderValue, Error> {
        let unauthorized = |reason: &str| Error::Unauthorized {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some(Credentials::RegistryToken(_)) = self.own() {
            return Err(unauthorized("the registry does not take the token"));
        }
        match challenges.first() {
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let scope = scope.as_deref().unwrap_or(self.scope);
                let request = self.request(url, realm, service.as_deref(), scope)?;
                let token = self.token(request).await?;
                sensitive(&format!("Bearer {token}"))
                    .ok_or_else(|| unauthorized("the token server's token is no header"))
            }
            Some(Challenge::Basic) => match self.own() {
                Some(Credentials::Password { username, password }) => {
                    sensitive(&basic(username, password))
                        .ok_or_else(|| unauthorized("the credentials are no header"))
                }
                _ => Err(unauthorized("no basic auth credentials")),
            },
            None => Err(unauthorized("authentication required")),
        }
    }

    fn own(&self) -> Option<&Credentials> {
        self.credentials.filter(|_| self.target.own)
    }

    /// The request for a token.
    fn request(
        &self,
        url: &str,
        realm: &str,
        service: Option<&str>,
        scope: &str,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let protocol = |reason: String| Error::Protocol {
            url: url.to_owned(),
            reason,
        };
        let fits =
            realm.starts_with("https://") || (realm.starts_with("http://") && self.target.insecure);
        if !fits {
            return Err(protocol(format!(
                "token server {realm:?} is not reached by https"
            )));
        }
        let mut query = String::new();
        for (name, value) in [("service", service), ("scope", Some(scope))] {
            if let Some(value) = value {
                pair(&mut query, name, value);
            }
        }
        let mut builder = Request::builder().header(USER_AGENT, AGENT);
        let request = match self.own() {
            Some(Credentials::IdentityToken(token)) => {
                pair(&mut query, "grant_type", "refresh_token");
                pair(&mut query, "client_id", "corten");
                pair(&mut query, "refresh_token", token);
                builder
                    .method(Method::POST)
                    .uri(realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(Full::from(query))
            }
            own => {
                if let Some(Credentials::Password { username, password }) = own {
                    pair(&mut query, "account", username);
                    if let Some(value) = sensitive(&basic(username, password)) {
                        builder = builder.header(AUTHORIZATION, value);
                    }
                }
                let joint = if realm.contains('?') { '&' } else { '?' };
                builder
                    .uri(format!("{realm}{joint}{query}"))
                    .body(Full::default())
            }
        };
        request.map_err(|error| protocol(format!("token server {realm:?}: {error}")))
    }

    /// Asks the token server. It may not send the credentials on to anybody.
    async fn token(&self, request: Request<Full<Bytes>>) -> Result<String, Error> {
        let url = shown(request.uri());
        let answer = self.http.send(request).await?;
        let status = answer.status();
        if status == StatusCode::OK {
            let body = self.http.body(&url, answer.into_body(), MAX_TOKEN).await?;
            let token: Option<Token> = serde_json::from_slice(&body).ok();
            let text = token.map(|t| {
                if t.token.is_empty() {
                    t.access_token
                } else {
                    t.token
                }
            });
            return text.filter(|text| !text.is_empty()).ok_or(Error::Protocol {
                url,
                reason: "the token server's answer has no token".to_owned(),
            });
        }
        let (cause, after) = self.http.cause(&url, answer).await;
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Unauthorized {
                url,
                reason: words(&cause, "incorrect username or password"),
            },
            StatusCode::TOO_MANY_REQUESTS => Error::RateLimited {
                message: words(&cause, "too many requests"),
                after,
            },
            _ => Error::Status {
                url,
                status: status.as_u16(),
                cause,
            },
        })
    }
}

fn words(cause: &Cause, otherwise: &str) -> String {
    match cause.code.is_empty() || cause.message.is_empty() {
        true => otherwise.to_owned(),
        false => cause.message.clone(),
    }
}

fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    )
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Adds a form's pair.
fn pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                query.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(query, "%{byte:02X}")),
        }
    }
}
