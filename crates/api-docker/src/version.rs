//! API versions: the `/vX.YY` before a path.

use crate::error::Error;
use http::StatusCode;
use std::fmt;

/// A version of the Engine API, such as 1.56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    /// The newest that is served, and what a path without version means.
    pub const NEWEST: Self = Self::new(1, 56);
    /// The oldest that is served.
    pub const OLDEST: Self = Self::new(1, 24);

    /// The version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Takes the version off a path; a path without one is of the newest.
pub(crate) fn split(path: &str) -> Result<(ApiVersion, &str), Error> {
    let Some((version, rest)) = prefix(path) else {
        return Ok((ApiVersion::NEWEST, path));
    };
    let Some(parsed) = ApiVersion::parse(version) else {
        return Err(Error::page_not_found());
    };
    if parsed > ApiVersion::NEWEST {
        let newest = ApiVersion::NEWEST;
        return Err(Error::new(
            StatusCode::BAD_REQUEST,
            format!(
                "client version {version} is too new. Maximum supported API version is {newest}"
            ),
        ));
    }
    if parsed < ApiVersion::OLDEST {
        let oldest = ApiVersion::OLDEST;
        let message = format!(
            "client version {version} is too old. Minimum supported API version is {oldest}, \
             please upgrade your client to a newer version"
        );
        // COMPAT: clients older than 1.24 do not read JSON errors.
        return Err(Error::new(StatusCode::BAD_REQUEST, message).in_plain_text());
    }
    Ok((parsed, rest))
}

/// `/v` and digits with dots, up to the next `/`.
fn prefix(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v")?;
    let (version, _) = rest.split_once('/')?;
    let digits = |b: u8| b.is_ascii_digit() || b == b'.';
    if version.is_empty() || !version.bytes().all(digits) {
        return None;
    }
    Some(rest.split_at(version.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_taken_off_the_path() {
        let split = |path| split(path).map_err(|error| error.to_string());
        assert_eq!(split("/_ping"), Ok((ApiVersion::NEWEST, "/_ping")));
        assert_eq!(split("/v1.40/info"), Ok((ApiVersion::new(1, 40), "/info")));
        assert_eq!(split("/version"), Ok((ApiVersion::NEWEST, "/version")));
        assert_eq!(split("/volumes/x"), Ok((ApiVersion::NEWEST, "/volumes/x")));
        assert_eq!(split("/v1/info"), Err("page not found".to_owned()));
        assert!(split("/v1.23/info").unwrap_err().contains("is too old"));
        assert!(split("/v1.99/info").unwrap_err().contains("is too new"));
    }
}
