//! Credentials for registries: in a header, or to be tried.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use docker_schema::auth::{AuthConfig, AuthResponse};
use http::StatusCode;
use images::Credentials;

/// Docker Hub, as clients write its address.
const HUB: &str = "docker.io";
const INDEX: &str = "index.docker.io";

/// What `X-Registry-Auth` says. COMPAT: what cannot be read is as nothing, as in dockerd.
pub(super) fn credentials(header: &str) -> Option<Credentials> {
    let padding =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&URL_SAFE, padding)
        .decode(header)
        .ok()?;
    let auth: AuthConfig = docker_schema::decode(&decoded).ok()?;
    Some(Credentials::from(auth)).filter(Credentials::is_something)
}

/// Tries credentials on their registry.
pub(crate) async fn login(call: Call) -> Result<Response> {
    let images = call.api.engine.images().clone();
    let bytes = body::read(call.body).await?;
    // COMPAT: what is no such document is dockerd's own failure.
    let auth: AuthConfig = docker_schema::decode(&bytes).map_err(|error| {
        let words = match error.is_missing() {
            true => "EOF".to_owned(),
            false => error.to_string(),
        };
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, words)
    })?;
    let host = host(&auth.server_address).to_owned();
    let token = images.login(&host, &auth.into()).await;
    let token = token.map_err(|error| {
        let error = Error::from(error);
        match error.status() {
            StatusCode::UNAUTHORIZED => error,
            // COMPAT: whatever else goes wrong is dockerd's own failure.
            _ => Error::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    })?;
    Ok(body::ok(&AuthResponse {
        status: "Login Succeeded".to_owned(),
        identity_token: token.unwrap_or_default(),
    }))
}

/// The host of a server's address, which may be a URL.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "" | INDEX => HUB,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_with_and_without_padding() {
        // {"username":"u","password":"p"}
        for header in [
            "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ==",
            "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ",
        ] {
            let expected = Credentials::Password {
                username: "u".to_owned(),
                password: "p".to_owned(),
            };
            assert!(credentials(header) == Some(expected), "{header}");
        }
        assert!(credentials("").is_none() && credentials("e30=").is_none());
    }

    #[test]
    fn an_address_is_a_host_or_a_url() {
        for (address, expected) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://r.lan:80/v2/", "r.lan:80"),
        ] {
            assert_eq!(host(address), expected);
        }
    }
}
