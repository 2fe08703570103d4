//! What a caller shows to one registry.

pub(crate) mod file;

use docker_schema::auth::AuthConfig;
use std::fmt;

/// What a caller shows to the registry of one reference, or the machine to one mirror; and
/// to no other host.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password, or an access token in its place.
    Password {
        /// The account.
        username: String,
        /// Its secret.
        password: String,
    },
    /// An OAuth2 refresh token, as `docker login` keeps it.
    IdentityToken(String),
    /// A bearer token that the registry itself takes.
    RegistryToken(String),
}

impl From<AuthConfig> for Credentials {
    fn from(auth: AuthConfig) -> Self {
        if !auth.identity_token.is_empty() {
            return Self::IdentityToken(auth.identity_token);
        }
        if !auth.registry_token.is_empty() {
            return Self::RegistryToken(auth.registry_token);
        }
        Self::Password {
            username: auth.username,
            password: auth.password,
        }
    }
}

impl Credentials {
    /// Whether there is anything to show: a password needs a name.
    pub fn is_something(&self) -> bool {
        !matches!(self, Self::Password { username, .. } if username.is_empty())
    }
}

impl fmt::Debug for Credentials {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::IdentityToken(_) => "IdentityToken",
            Self::RegistryToken(_) => "RegistryToken",
        })
    }
}
