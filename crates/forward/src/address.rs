//! Where a driver's messages go, as a URL.

/// A parsed `scheme://host:port` or `scheme:///path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
}

impl Url {
    /// Reads it; `Err` says of the port that it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let invalid = |port: &str| format!("parse {text:?}: invalid port {port:?} after host");
        let (host, port) = match authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port)),
            None => match authority.find(':') {
                Some(at) => (&authority[..at], Some(&authority[at..])),
                None => (authority, None),
            },
        };
        let port = match port {
            None | Some(":") => None,
            Some(text) => {
                let digits = text.strip_prefix(':').unwrap_or_default();
                Some(digits.parse().map_err(|_| invalid(text))?)
            }
        };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// `host:port`, for a connection and for errors.
    pub(crate) fn authority(&self, default: u16) -> String {
        let port = self.port.unwrap_or(default);
        match self.host.contains(':') {
            true => format!("[{}]:{port}", self.host),
            false => format!("{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, scheme, authority, path) in [
            ("udp://127.0.0.1:514", "udp", "127.0.0.1:514", ""),
            ("tcp://[::1]:7", "tcp", "[::1]:7", ""),
            ("tcp+tls://host", "tcp+tls", "host:9", ""),
            ("unix:///a/b", "unix", ":9", "/a/b"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.scheme.as_str(), url.path.as_str()), (scheme, path));
            assert_eq!(url.authority(9), authority, "{text}");
        }
        let error = Url::parse("tcp://foo:bar").unwrap_err();
        assert_eq!(
            error,
            "parse \"tcp://foo:bar\": invalid port \":bar\" after host"
        );
    }
}
