//! Proxies between this machine and registries.

use crate::Error;
use crate::settings::is_loopback;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::fmt;

/// Proxies, as URLs: `http://proxy:3128`, `socks5://user:password@proxy:1080`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For requests in the clear.
    pub http: Option<String>,
    /// For requests by TLS.
    pub https: Option<String>,
    /// Hosts that are reached without: names with all below them, addresses and networks,
    /// parted by commas; `*` is all.
    pub no: Option<String>,
}

impl Proxies {
    /// What the environment says: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, also in lower case.
    pub fn from_environment() -> Self {
        let variable = |name: &str| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase()));
            value.ok().filter(|value| !value.is_empty())
        };
        Self {
            http: variable("HTTP_PROXY"),
            https: variable("HTTPS_PROXY"),
            no: variable("NO_PROXY"),
        }
    }

    /// These where they say something, else those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            http: self.http.or(other.http),
            https: self.https.or(other.https),
            no: self.no.or(other.no),
        }
    }

    /// Refuses a proxy that cannot be spoken to.
    pub fn check(&self) -> Result<(), Error> {
        for url in [&self.http, &self.https].into_iter().flatten() {
            let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
            let known = matches!(scheme, "http" | "socks5" | "socks5h");
            if !known
                || Matcher::builder()
                    .all(url.as_str())
                    .build()
                    .intercept(&EXAMPLE)
                    .is_none()
            {
                return Err(Error::Proxy {
                    reason: "neither http://HOST:PORT nor socks5://HOST:PORT".to_owned(),
                    url: without_secret(url),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn routes(&self) -> Routes {
        let mut builder = Matcher::builder();
        if let Some(http) = &self.http {
            builder = builder.http(http.as_str());
        }
        if let Some(https) = &self.https {
            builder = builder.https(https.as_str());
        }
        if let Some(no) = &self.no {
            builder = builder.no(no.as_str());
        }
        Routes(std::sync::Arc::new(builder.build()))
    }
}

static EXAMPLE: std::sync::LazyLock<Uri> =
    std::sync::LazyLock::new(|| Uri::from_static("https://registry.example"));

impl fmt::Debug for Proxies {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &Option<String>| url.as_deref().map(without_secret);
        f.debug_struct("Proxies")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .field("no", &self.no)
            .finish()
    }
}

/// A proxy's URL for people. COMPAT: dockerd hides all that is before the host.
pub fn without_secret(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let joint = if scheme.is_empty() { "" } else { "://" };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{joint}xxxxx:xxxxx@{host}"),
        None => url.to_owned(),
    }
}

/// Which proxy leads where.
#[derive(Clone, Debug)]
pub(crate) struct Routes(std::sync::Arc<Matcher>);

impl Routes {
    /// The proxy on the way to `uri`. This machine itself is never behind one.
    pub(crate) fn to(&self, uri: &Uri) -> Option<Intercept> {
        match is_loopback(uri.host()?) {
            true => None,
            false => self.0.intercept(uri),
        }
    }

    /// What to show to the proxy with a request in the clear, which it reads itself.
    pub(crate) fn authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme_str() != Some("http") {
            return None;
        }
        self.to(uri)?.basic_auth().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_on_the_way_to_what_is_not_excepted() {
        let proxies = Proxies {
            http: Some("http://u:p@one.example:1".to_owned()),
            https: Some("socks5://two.example:2".to_owned()),
            no: Some("in.example, 10.0.0.0/8,.below.example".to_owned()),
        };
        proxies.check().unwrap();
        let routes = proxies.routes();
        for (uri, proxy) in [
            ("http://a.example/", Some("one.example")),
            ("https://a.example/", Some("two.example")),
            ("https://in.example/", None),
            ("https://x.in.example/", None),
            ("https://x.below.example/", None),
            ("http://10.1.2.3/", None),
            ("http://127.0.0.1:5000/", None),
            ("https://localhost/", None),
            ("https://[::1]:5000/", None),
        ] {
            let found = routes.to(&uri.parse().unwrap());
            let host = found.as_ref().and_then(|intercept| intercept.uri().host());
            assert_eq!(host, proxy, "{uri}");
        }
        let shown = format!("{proxies:?}");
        assert!(shown.contains("xxxxx:xxxxx@one.example:1"), "{shown}");
        assert!(
            routes
                .authorization(&"http://a.example/".parse().unwrap())
                .is_some()
        );
        assert!(
            routes
                .authorization(&"https://a.example/".parse().unwrap())
                .is_none()
        );
    }

    #[test]
    fn a_proxy_of_another_kind_is_named() {
        let proxies = Proxies {
            https: Some("ftp://secret:word@p.example".to_owned()),
            ..Proxies::default()
        };
        let error = proxies.check().unwrap_err().to_string();
        assert!(error.contains("ftp://xxxxx:xxxxx@p.example"), "{error}");
    }
}
