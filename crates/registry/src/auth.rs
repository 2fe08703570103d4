//! Convincing a registry: a challenge and credentials become an `Authorization`.

use crate::challenge::Challenge;
use crate::http::{Http, shown};
use crate::payload::{Body, Payload};
use crate::target::Target;
use crate::{Cause, Credentials, Error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
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
    /// The caller's: only ever shown to the reference's own registry and the token server that
    /// it names. A mirror has its own.
    pub(crate) credentials: Option<&'a Credentials>,
    /// What of the registry is wanted; nothing signs in.
    pub(crate) scopes: &'a [String],
    /// What the token server gave last, in the place of an identity token.
    pub(crate) renewed: Option<&'a str>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
}

/// What convinces a registry.
#[derive(Debug)]
pub(crate) struct Convincing {
    pub(crate) authorization: HeaderValue,
    /// A token that will do in the place of the password.
    pub(crate) refresh_token: Option<String>,
}

impl Convincing {
    fn header(authorization: HeaderValue) -> Self {
        Self {
            authorization,
            refresh_token: None,
        }
    }
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
    ) -> Result<Convincing, Error> {
        let unauthorized = |reason: &str| Error::Unauthorized {
            method: "Get",
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
                let scopes = self.wanted(scope.as_deref());
                let request = self.request(url, realm, service.as_deref(), &scopes)?;
                let token = self.token(request).await?;
                let text = match token.token.is_empty() {
                    true => token.access_token,
                    false => token.token,
                };
                let header = sensitive(&format!("Bearer {text}"));
                let header =
                    header.ok_or_else(|| unauthorized("the token server's token is no header"))?;
                let refresh = token.refresh_token;
                Ok(Convincing {
                    authorization: header,
                    refresh_token: (!refresh.is_empty()).then_some(refresh),
                })
            }
            Some(Challenge::Basic) => match self.own() {
                Some(Credentials::Password { username, password }) => {
                    let header = sensitive(&basic(username, password));
                    header
                        .map(Convincing::header)
                        .ok_or_else(|| unauthorized("the credentials are no header"))
                }
                _ => Err(Error::NoCredentials {
                    method: "Get",
                    url: url.to_owned(),
                }),
            },
            None => Err(unauthorized("authentication required")),
        }
    }

    fn own(&self) -> Option<&Credentials> {
        match self.target.own {
            true => self.credentials,
            false => self.target.credentials.as_ref(),
        }
    }

    /// The scopes to ask for: those wanted here, and what the challenge says of other
    /// repositories.
    fn wanted<'b>(&'b self, challenge: Option<&'b str>) -> Vec<&'b str> {
        let mut wanted: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        for scope in challenge.unwrap_or_default().split_whitespace() {
            let object = |scope: &str| scope.rsplit_once(':').map(|(name, _)| name.to_owned());
            if !wanted.iter().any(|known| object(known) == object(scope)) {
                wanted.push(scope);
            }
        }
        wanted
    }

    /// The request for a token.
    fn request(
        &self,
        url: &str,
        realm: &str,
        service: Option<&str>,
        scopes: &[&str],
    ) -> Result<Request<Body>, Error> {
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
        if let Some(service) = service {
            pair(&mut query, "service", service);
        }
        let mut builder = Request::builder().header(USER_AGENT, AGENT);
        let request = match self.own() {
            Some(Credentials::IdentityToken(token)) => {
                let token = self.renewed.unwrap_or(token);
                // In a form all scopes are one value (RFC 6749), in a query each is its own.
                if !scopes.is_empty() {
                    pair(&mut query, "scope", &scopes.join(" "));
                }
                pair(&mut query, "grant_type", "refresh_token");
                pair(&mut query, "client_id", "corten");
                pair(&mut query, "refresh_token", token);
                builder
                    .method(Method::POST)
                    .uri(realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(Payload::Bytes(query.into()).body())
            }
            own => {
                for scope in scopes {
                    pair(&mut query, "scope", scope);
                }
                if let Some(Credentials::Password { username, password }) = own {
                    pair(&mut query, "account", username);
                    if scopes.is_empty() {
                        pair(&mut query, "client_id", "corten");
                        pair(&mut query, "offline_token", "true");
                    }
                    if let Some(value) = sensitive(&basic(username, password)) {
                        builder = builder.header(AUTHORIZATION, value);
                    }
                }
                let joint = if realm.contains('?') { '&' } else { '?' };
                builder
                    .uri(format!("{realm}{joint}{query}"))
                    .body(Payload::None.body())
            }
        };
        request.map_err(|error| protocol(format!("token server {realm:?}: {error}")))
    }

    /// Asks the token server. It may not send the credentials on to anybody.
    async fn token(&self, request: Request<Body>) -> Result<Token, Error> {
        let url = shown(request.uri());
        let answer = self.http.send(request).await?;
        let status = answer.status();
        if status == StatusCode::OK {
            let body = self.http.body(&url, answer.into_body(), MAX_TOKEN).await?;
            let token: Option<Token> = serde_json::from_slice(&body).ok();
            let has = |token: &Token| !token.token.is_empty() || !token.access_token.is_empty();
            return token.filter(has).ok_or(Error::Protocol {
                url,
                reason: "the token server's answer has no token".to_owned(),
            });
        }
        let (cause, after) = self.http.cause(&url, answer).await;
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Unauthorized {
                method: "Get",
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
                after,
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
