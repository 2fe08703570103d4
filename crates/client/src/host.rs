//! Where a daemon listens, in the forms of `DOCKER_HOST`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A daemon's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `unix:///run/corten/corten.sock`
    Unix(PathBuf),
    /// `tcp://127.0.0.1:2375`, without TLS
    Tcp(String),
}

/// Why a text is no daemon's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A scheme that is not spoken.
    #[error("unable to parse docker host `{0}`: only unix:// and tcp:// are supported")]
    Scheme(String),
    /// A scheme without an address.
    #[error("unable to parse docker host `{0}`: no address after the scheme")]
    Empty(String),
}

const DEFAULT_PORT: &str = "2375";

impl FromStr for Host {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        let Some((scheme, address)) = text.split_once("://") else {
            return Err(HostError::Scheme(text.to_owned()));
        };
        let address = match scheme {
            "unix" => address,
            _ => address.trim_end_matches('/'),
        };
        match (scheme, address) {
            (_, "") => Err(HostError::Empty(text.to_owned())),
            ("unix", path) => Ok(Self::Unix(path.into())),
            ("tcp" | "http", address) => Ok(Self::Tcp(with_port(address))),
            _ => Err(HostError::Scheme(text.to_owned())),
        }
    }
}

/// `address` with the default port if it has none; brackets tell an IPv6 address's colons.
fn with_port(address: &str) -> String {
    let after_bracket = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    match after_bracket.contains(':') {
        true => address.to_owned(),
        false => format!("{address}:{DEFAULT_PORT}"),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_in_the_forms_of_docker_host() {
        for (text, shown) in [
            ("unix:///run/a.sock", "unix:///run/a.sock"),
            ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
            ("tcp://example", "tcp://example:2375"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
            ("http://[::1]:7/", "tcp://[::1]:7"),
        ] {
            assert_eq!(
                text.parse::<Host>().map(|h| h.to_string()),
                Ok(shown.into())
            );
        }
        for text in ["", "/run/a.sock", "unix://", "ssh://host", "npipe:////./x"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
