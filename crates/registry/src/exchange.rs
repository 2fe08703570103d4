//! A request to a registry until its final answer: schemes, redirects, challenges.

use crate::auth::{AGENT, Asking};
use crate::challenge;
use crate::http::{Answer, Http, header, shown, verb};
use crate::payload::{Body, Payload};
use crate::target::Target;
use crate::{Credentials, Error};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RANGE, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::uri::Uri;
use http::{HeaderValue, Method, Request, StatusCode};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Redirects that are followed one after another.
const MAX_REDIRECTS: usize = 5;

/// What to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    place: Place,
    headers: Vec<(HeaderName, String)>,
    payload: Payload,
    /// The method that errors name.
    told: &'static str,
}

/// Where something is asked for.
#[derive(Clone, Debug)]
enum Place {
    /// After `/v2/`.
    Path(String),
    /// A URL that the registry gave: where an upload goes on.
    Url(String),
}

impl Ask {
    /// Reads what is at `path`, after `/v2/`.
    pub(crate) fn get(path: String) -> Self {
        Self::new(Method::GET, path)
    }

    /// Does `method` at `path`, after `/v2/`.
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self {
            told: verb(&method),
            method,
            place: Place::Path(path),
            headers: Vec::new(),
            payload: Payload::None,
        }
    }

    /// Does `method` at a URL that the registry gave.
    pub(crate) fn at(method: Method, url: &str) -> Self {
        Self {
            place: Place::Url(url.to_owned()),
            ..Self::new(method, String::new())
        }
    }

    pub(crate) fn accept(self, media_types: &[&str]) -> Self {
        self.header(ACCEPT, media_types.join(", "))
    }

    /// From this byte on, up to the `last` one if it is not the blob's.
    pub(crate) fn range(self, first: u64, last: Option<u64>) -> Self {
        match (first, last) {
            (0, None) => self,
            (first, None) => self.header(RANGE, format!("bytes={first}-")),
            (first, Some(last)) => self.header(RANGE, format!("bytes={first}-{last}")),
        }
    }

    /// Errors name this method instead.
    pub(crate) fn told(mut self, method: &'static str) -> Self {
        self.told = method;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn send(mut self, media_type: &str, payload: Payload) -> Self {
        self.payload = payload;
        self.header(CONTENT_TYPE, media_type.to_owned())
    }

    /// Whether it is about something in the registry, and not the registry itself.
    fn is_within(&self) -> bool {
        !matches!(&self.place, Place::Path(path) if path.is_empty())
    }

    fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// What was learnt of servers in the course of one caller's requests. It is never shared
/// between callers: tokens are theirs.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    schemes: Mutex<HashMap<String, &'static str>>,
    tokens: Mutex<HashMap<String, HeaderValue>>,
    /// By host: what its token server gave in the place of a secret.
    refresh_tokens: Mutex<HashMap<String, String>>,
}

impl Learnt {
    /// What a host's token server gave to be kept.
    pub(crate) fn refresh_token(&self, host: &str) -> Option<String> {
        lock(&self.refresh_tokens).get(host).cloned()
    }
}

/// Everything that a request needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) http: &'a Http,
    pub(crate) target: &'a Target,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) scopes: &'a [String],
    pub(crate) learnt: &'a Learnt,
}

/// A final answer, and to which URL.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) url: String,
    pub(crate) answer: Answer,
}

impl Exchange<'_> {
    /// The final answer, whatever its status.
    pub(crate) async fn get(&self, ask: &Ask) -> Result<Answered, Error> {
        let host = &self.target.host;
        let known = lock(&self.learnt.schemes).get(host).copied();
        let schemes = known.map_or(self.target.schemes.clone(), |scheme| vec![scheme]);
        let mut failed = None;
        for scheme in schemes {
            let greets = known.is_none() && ask.is_within() && self.target.greets;
            let greeted = match greets {
                true => self.greet(scheme).await,
                false => Ok(()),
            };
            let result = match greeted {
                Ok(()) => self.convinced(scheme, ask).await,
                Err(error) => Err(absent(error)),
            };
            match result {
                // Nobody there speaks so: the next scheme's error says more.
                Err(error @ (Error::Unreachable { .. } | Error::Absent { .. })) => {
                    failed = Some(error);
                }
                result => {
                    lock(&self.learnt.schemes).insert(host.clone(), scheme);
                    return result.map_err(|error| refused(error, ask.told, self.url(scheme, ask)));
                }
            }
        }
        Err(failed.unwrap_or_else(|| Error::Unreachable {
            method: "Get",
            url: host.clone(),
            reason: "no way to reach it".to_owned(),
        }))
    }

    fn asking<'b>(&'b self, renewed: Option<&'b str>) -> Asking<'b> {
        Asking {
            http: self.http,
            target: self.target,
            credentials: self.credentials,
            scopes: self.scopes,
            renewed,
        }
    }

    /// Asks a registry for nothing yet: whether it is there, and what convinces it. COMPAT:
    /// clients are told of the address that was asked first.
    async fn greet(&self, scheme: &str) -> Result<(), Error> {
        let Target { host, root, .. } = self.target;
        let url = format!("{scheme}://{host}{root}/");
        let shown = self.asking(None).at_first();
        let first = self.follow(&url, &Ask::get(String::new()), shown).await?;
        self.learn(&url, &first).await.map(drop)
    }

    /// What convinces a registry that has challenged, from now on.
    async fn learn(&self, url: &str, first: &Answered) -> Result<Option<HeaderValue>, Error> {
        let asked = url.split('?').next().unwrap_or(url);
        if first.answer.status() != StatusCode::UNAUTHORIZED || first.url != asked {
            return Ok(None);
        }
        let headers = first.answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let texts = headers.filter_map(|value| value.to_str().ok());
        let challenges: Vec<_> = texts.flat_map(challenge::parse).collect();
        if challenges.is_empty() {
            return Ok(None);
        }
        let host = &self.target.host;
        let renewed = self.learnt.refresh_token(host);
        let asking = self.asking(renewed.as_deref());
        let convincing = asking.convince(url, &challenges).await?;
        if let Some(token) = convincing.refresh_token {
            lock(&self.learnt.refresh_tokens).insert(host.clone(), token);
        }
        let authorization = convincing.authorization;
        let mut tokens = lock(&self.learnt.tokens);
        tokens.insert(host.clone(), authorization.clone());
        Ok(Some(authorization))
    }

    /// The answer after at most one challenge: a registry that is not convinced then never is.
    /// A server that an upload leads to, and that is not the registry, is shown nothing.
    async fn convinced(&self, scheme: &str, ask: &Ask) -> Result<Answered, Error> {
        let host = &self.target.host;
        let url = self.url(scheme, ask);
        let own = format!("{scheme}://{host}").parse::<Uri>();
        let foreign =
            url.parse::<Uri>().ok().map(|uri| origin(&uri)) != own.ok().map(|uri| origin(&uri));
        if foreign {
            return self.follow(&url, ask, None).await;
        }
        let known = lock(&self.learnt.tokens).get(host).cloned();
        let shown = known.or_else(|| self.asking(None).at_first());
        let first = self.follow(&url, ask, shown).await?;
        let Some(authorization) = self.learn(&url, &first).await? else {
            return Ok(first);
        };
        let second = self.follow(&url, ask, Some(authorization)).await?;
        if second.answer.status() == StatusCode::UNAUTHORIZED {
            lock(&self.learnt.tokens).remove(host);
        }
        Ok(second)
    }

    /// Where something is asked for.
    fn url(&self, scheme: &str, ask: &Ask) -> String {
        let Target { host, root, .. } = self.target;
        match &ask.place {
            Place::Path(path) => format!("{scheme}://{host}{root}/{path}{}", self.namespace(path)),
            Place::Url(url) => url.clone(),
        }
    }

    /// `?ns=docker.io`: which registry a mirror is asked for.
    fn namespace(&self, path: &str) -> String {
        match &self.target.namespace {
            Some(domain) if path.contains('?') => format!("&ns={domain}"),
            Some(domain) => format!("?ns={domain}"),
            None => String::new(),
        }
    }

    /// Whether a URL is of the target's host.
    fn is_at(&self, uri: &Uri) -> bool {
        let authority = uri.authority().map(http::uri::Authority::as_str);
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(&self.target.host))
    }

    /// The answer behind redirects. Credentials stay with the first server, and so do the
    /// headers that are configured for it.
    async fn follow(
        &self,
        url: &str,
        ask: &Ask,
        mut authorization: Option<HeaderValue>,
    ) -> Result<Answered, Error> {
        let protocol = |url: &str, reason: &str| Error::Protocol {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let parsed = url.parse::<Uri>();
        let mut at = parsed.map_err(|error| protocol(url, &error.to_string()))?;
        let mut own = self.is_at(&at);
        for _ in 0..=MAX_REDIRECTS {
            let request = request(&at, ask, authorization.as_ref());
            let mut request = request.map_err(|error| protocol(url, &error.to_string()))?;
            if own {
                request.headers_mut().extend(self.target.headers.clone());
            }
            let answer = self.http.send(request).await?;
            let url = shown(&at);
            if !is_redirect(answer.status()) {
                return Ok(Answered { url, answer });
            }
            let location = header(&answer, &LOCATION);
            let next = location.and_then(|location| resolve(&at, location));
            let next = next.ok_or_else(|| protocol(&url, "redirect without a target"))?;
            if !ask.is_safe() && !matches!(answer.status().as_u16(), 307 | 308) {
                return Err(protocol(&url, "redirect of an upload to another method"));
            }
            if at.scheme() == Some(&http::uri::Scheme::HTTPS)
                && next.scheme() != Some(&http::uri::Scheme::HTTPS)
            {
                return Err(protocol(&url, "redirect from https to http"));
            }
            if origin(&next) != origin(&at) {
                authorization = None;
                own = false;
            }
            at = next;
        }
        Err(protocol(
            url,
            &format!("stopped after {MAX_REDIRECTS} redirects"),
        ))
    }
}

fn request(
    uri: &Uri,
    ask: &Ask,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Body>, http::Error> {
    let mut builder = Request::builder()
        .method(ask.method.clone())
        .uri(uri.clone())
        .header(USER_AGENT, AGENT);
    for (name, value) in &ask.headers {
        builder = builder.header(name, value);
    }
    if !ask.is_safe() {
        builder = builder.header(CONTENT_LENGTH, ask.payload.len());
    }
    if let Some(authorization) = authorization {
        builder = builder.header(AUTHORIZATION, authorization);
    }
    if let Some(sent) = ask.payload.sent() {
        builder = builder.extension(sent.clone());
    }
    builder.body(ask.payload.body())
}

/// A registry that did not greet is not there.
fn absent(error: Error) -> Error {
    match error {
        Error::Unreachable { url, reason, .. } => Error::Absent { url, reason },
        error => error,
    }
}

/// COMPAT: a refusal names what was wanted, and not who was asked for a token or greeted.
fn refused(error: Error, method: &'static str, wanted: String) -> Error {
    let url = wanted.split('?').next().unwrap_or_default().to_owned();
    match error {
        Error::Unauthorized { reason, .. } => Error::Unauthorized {
            method,
            url,
            reason,
        },
        Error::NoCredentials { .. } => Error::NoCredentials { method, url },
        error => error,
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where `location` leads from `base`; a relative path is none.
pub(crate) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    let text = match location {
        _ if location.starts_with("https://") || location.starts_with("http://") => {
            location.to_owned()
        }
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ => return None,
    };
    let plain = text.split('#').next().unwrap_or_default();
    let uri: Uri = plain.parse().ok()?;
    uri.host()
        .is_some_and(|host| !host.is_empty())
        .then_some(uri)
}

/// Scheme, host and port: what credentials are bound to.
fn origin(uri: &Uri) -> (String, String, u16) {
    let scheme = uri.scheme_str().unwrap_or_default().to_owned();
    let port = uri
        .port_u16()
        .unwrap_or(if scheme == "https" { 443 } else { 80 });
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    (scheme, host, port)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_resolved_against_where_it_came_from() {
        let base: Uri = "https://a:1/v2/x?y".parse().unwrap();
        for (location, url) in [
            ("/z?q=1", Some("https://a:1/z?q=1")),
            ("//b/z", Some("https://b/z")),
            ("http://c/z#f", Some("http://c/z")),
            ("z", None),
            ("ftp://a/", None),
            ("https:///x", None),
        ] {
            let resolved = resolve(&base, location).map(|uri| uri.to_string());
            assert_eq!(resolved.as_deref(), url, "{location}");
        }
        let same: Uri = "HTTPS://A:1/other".parse().unwrap();
        assert_eq!(origin(&same), origin(&base));
        let other: Uri = "https://a/other".parse().unwrap();
        assert_ne!(origin(&other), origin(&base));
    }
}
