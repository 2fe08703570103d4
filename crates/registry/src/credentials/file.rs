//! A file of the machine's own credentials, in the form of docker's `config.json`.

use super::Credentials;
use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What is read of the file; docker's has more, which says nothing of registries.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
    #[serde(rename = "registrytoken")]
    registry_token: String,
}

/// What the file at `path` has for `host`, which is `NAME` or `NAME:PORT`.
pub(crate) fn find(path: &Path, host: &str) -> Result<Option<Credentials>, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::configuration(path, &error))?;
    parse(&bytes, host).map_err(|reason| Error::configuration(path, &reason))
}

fn parse(bytes: &[u8], host: &str) -> Result<Option<Credentials>, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    // A helper keeps a person's secrets, and the daemon is nobody's session.
    if !file.creds_store.is_empty() {
        return Err("credsStore: credential helpers are not asked by the daemon".to_owned());
    }
    if !file.cred_helpers.is_empty() {
        return Err("credHelpers: credential helpers are not asked by the daemon".to_owned());
    }
    let mut entries = file.auths.into_iter();
    let Some((key, entry)) = entries.find(|(key, _)| host_of(key) == host) else {
        return Ok(None);
    };
    entry
        .credentials()
        .map_err(|reason| format!("{key}: {reason}"))
}

/// The host of a key, which may be a URL.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

impl Entry {
    fn credentials(self) -> Result<Option<Credentials>, &'static str> {
        if !self.identity_token.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identity_token)));
        }
        if !self.registry_token.is_empty() {
            return Ok(Some(Credentials::RegistryToken(self.registry_token)));
        }
        let (username, password) = match self.auth.is_empty() {
            true => (self.username, self.password),
            false => decode(&self.auth).ok_or("auth is not NAME:PASSWORD in base64")?,
        };
        Ok((!username.is_empty()).then_some(Credentials::Password { username, password }))
    }
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    let password = password.trim_end_matches('\0');
    Some((username.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_what_its_own_key_says() {
        let text = br#"{"psFormat":"x","auths":{
            "https://a.lan/v2/":{"auth":"dTpw"},
            "a.lan:5000":{"identitytoken":"i","auth":"dTo="},
            "b.lan":{"username":"n","password":"s"},
            "c.lan":{"registrytoken":"r"},
            "d.lan":{},
            "e.lan":{"auth":"dQ=="}}}"#;
        let password = |username: &str, password: &str| Credentials::Password {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        for (host, expected) in [
            ("a.lan", Some(password("u", "p"))),
            ("a.lan:5000", Some(Credentials::IdentityToken("i".into()))),
            ("b.lan", Some(password("n", "s"))),
            ("c.lan", Some(Credentials::RegistryToken("r".into()))),
            ("d.lan", None),
            ("lan", None),
        ] {
            assert!(parse(text, host) == Ok(expected), "{host}");
        }
        let wrong = parse(text, "e.lan").unwrap_err();
        assert_eq!(wrong, "e.lan: auth is not NAME:PASSWORD in base64");
    }

    #[test]
    fn helpers_are_refused_by_name() {
        for (text, key) in [
            (r#"{"credsStore":"pass"}"#, "credsStore: "),
            (r#"{"credHelpers":{"a":"pass"}}"#, "credHelpers: "),
            ("[", "EOF"),
        ] {
            let error = parse(text.as_bytes(), "a").unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
    }
}
