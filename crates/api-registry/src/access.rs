//! Who may do what: accounts, shown by password with every request, or by a token of ours.

mod accounts;
mod token;

use crate::answer::{self, Answer, with};
use crate::error::{Error, Result};
use crate::routes::{Query, blocking};
use accounts::Accounts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use token::{Grant, Signer};

pub use accounts::AccountsError;

/// Where tokens are given out.
pub(crate) const TOKEN_PATH: &str = "/token";

/// How an account is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A name and a password with every request.
    Basic,
    /// A token, which this registry gives for a name and a password.
    Token,
}

/// What those without an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    Nothing,
    /// Read everything but the catalogue.
    Pull,
}

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    accounts: Accounts,
    anonymous: Anonymous,
    /// `None`: passwords with every request.
    signer: Option<Signer>,
}

/// What a request wants to do with one object: `repository:a/b:pull`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) actions: Vec<&'static str>,
}

impl Want {
    pub(crate) fn repository(name: &str, actions: &[&'static str]) -> Self {
        Self {
            kind: "repository",
            name: name.to_owned(),
            actions: actions.to_vec(),
        }
    }

    pub(crate) fn catalog() -> Self {
        Self {
            kind: "registry",
            name: "catalog".to_owned(),
            actions: vec!["*"],
        }
    }

    fn scope(&self) -> String {
        format!("{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }

    fn is_read(&self) -> bool {
        self.kind == "repository" && self.actions == ["pull"]
    }
}

/// A name and a password.
struct Shown {
    name: String,
    password: String,
}

impl Access {
    /// The accounts of an htpasswd file with bcrypt.
    pub fn open(
        htpasswd: &Path,
        scheme: Scheme,
        anonymous: Anonymous,
    ) -> std::result::Result<Self, AccountsError> {
        Ok(Self(Arc::new(Inner {
            accounts: Accounts::read(htpasswd)?,
            anonymous,
            signer: match scheme {
                Scheme::Basic => None,
                Scheme::Token => Some(Signer::random()?),
            },
        })))
    }

    /// `None` if all that is wanted may be done; else what to answer.
    pub(crate) async fn refuse(
        &self,
        headers: &HeaderMap,
        origin: &str,
        wants: &[Want],
    ) -> Option<Answer> {
        match self.admits(headers, wants).await {
            Ok(true) => None,
            Ok(false) => Some(self.challenge(origin, wants)),
            Err(error) => Some(answer::refusal(&error)),
        }
    }

    async fn admits(&self, headers: &HeaderMap, wants: &[Want]) -> Result<bool> {
        let shown = headers.get(AUTHORIZATION);
        let shown = shown.and_then(|value| value.to_str().ok());
        let Some((scheme, value)) = shown.and_then(|value| value.split_once(' ')) else {
            // Without a token nobody learns that none is needed to read.
            let open = self.0.signer.is_none() && self.0.anonymous == Anonymous::Pull;
            return Ok(open && !wants.is_empty() && wants.iter().all(Want::is_read));
        };
        match &self.0.signer {
            Some(signer) if scheme.eq_ignore_ascii_case("bearer") => {
                let Some(grants) = signer.grants(value) else {
                    return Ok(false);
                };
                let granted = |want: &Want| grants.iter().any(|grant| grant.covers(want));
                Ok(wants.iter().all(granted))
            }
            None if scheme.eq_ignore_ascii_case("basic") => self.knows(basic(value)).await,
            _ => Ok(false),
        }
    }

    /// Whether an account has this password. That takes a while, by intent.
    async fn knows(&self, shown: Option<Shown>) -> Result<bool> {
        let Some(Shown { name, password }) = shown else {
            return Ok(false);
        };
        let access = self.clone();
        blocking(move || Ok(access.0.accounts.verify(&name, &password))).await
    }

    fn challenge(&self, origin: &str, wants: &[Want]) -> Answer {
        let error = Error {
            status: StatusCode::UNAUTHORIZED,
            code: "UNAUTHORIZED",
            message: "authentication required".to_owned(),
        };
        let scopes: Vec<String> = wants.iter().map(Want::scope).collect();
        let service = origin.rsplit('/').next().unwrap_or_default();
        let challenge = match (&self.0.signer, scopes.is_empty()) {
            (None, _) => "Basic realm=\"corten registry\"".to_owned(),
            (Some(_), true) => {
                format!("Bearer realm=\"{origin}{TOKEN_PATH}\",service=\"{service}\"")
            }
            (Some(_), false) => format!(
                "Bearer realm=\"{origin}{TOKEN_PATH}\",service=\"{service}\",scope=\"{}\"",
                scopes.join(" ")
            ),
        };
        with(answer::refusal(&error), WWW_AUTHENTICATE, challenge)
    }

    /// Gives out a token; `form` are the parameters, of the query or of a form.
    pub(crate) async fn token(&self, headers: &HeaderMap, form: &Query) -> Result<Answer> {
        let Some(signer) = &self.0.signer else {
            return Err(Error::unsupported("tokens are not given out here"));
        };
        let header = headers.get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()?.split_once(' '));
        let shown = match (header, form.find("grant_type")) {
            (Some((scheme, value)), _) if scheme.eq_ignore_ascii_case("basic") => {
                Some(basic(value))
            }
            (None, Some("password")) => Some(form.find("username").zip(form.find("password")).map(
                |(name, password)| Shown {
                    name: name.to_owned(),
                    password: password.to_owned(),
                },
            )),
            (None, None) => None,
            _ => Some(None),
        };
        let is_account = match shown {
            Some(shown) => match self.knows(shown).await? {
                true => true,
                false => return Err(wrong_password()),
            },
            None => false,
        };
        if !is_account && self.0.anonymous == Anonymous::Nothing {
            return Err(wrong_password());
        }
        let scopes = form.all("scope").flat_map(str::split_whitespace);
        let grants = scopes.filter_map(Grant::parse);
        let grants = grants.map(|grant| match is_account {
            true => grant,
            false => grant.reading(),
        });
        Ok(signer.answer(grants.collect()))
    }
}

/// Where this registry is, as the client sees it.
pub(crate) fn origin(headers: &HeaderMap, scheme: &str) -> String {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let host = host.filter(|host| host.chars().all(plain));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

fn basic(value: &str) -> Option<Shown> {
    let bytes = STANDARD.decode(value.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Shown {
        name: name.to_owned(),
        password: password.to_owned(),
    })
}

fn wrong_password() -> Error {
    Error {
        status: StatusCode::UNAUTHORIZED,
        code: "UNAUTHORIZED",
        message: "incorrect username or password".to_owned(),
    }
}

/// Actions of both, without repetition.
fn united<'a>(actions: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    actions.map(str::to_owned).collect()
}
