//! Who may do what: accounts, shown by password with every request, or by a token of ours.

mod accounts;
mod identity;
mod rights;
mod token;

use crate::answer::{self, Answer, with};
use crate::error::{Error, Result};
use crate::routes::{Query, blocking};
use accounts::Accounts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use identity::Identities;
use rights::Rights;
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
pub struct Access {
    inner: Arc<Inner>,
    /// `None`: no identity tokens are given.
    identities: Option<Arc<Identities>>,
}

#[derive(Debug)]
struct Inner {
    accounts: Accounts,
    rights: Rights,
    /// `None`: passwords with every request.
    signer: Option<Signer>,
}

/// What docker's registry says of what an account may not do; clients look for it.
const DENIED: &str = "requested access to the resource is denied";

/// What is thought of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    /// Another token, or a password, may help.
    Unconvinced(Doubt),
    /// The account has no right to it.
    Denied,
}

/// What is wrong with what was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    Nothing,
    Token,
    Scope,
}

impl Doubt {
    /// A challenge's parameter (RFC 6750).
    fn parameter(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Token => ",error=\"invalid_token\"",
            Self::Scope => ",error=\"insufficient_scope\"",
        }
    }
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
}

/// A name and a password.
struct Shown {
    name: String,
    password: String,
}

/// Who asks for a token.
enum Shower {
    /// Somebody who shows nothing.
    Nobody,
    /// An account.
    Account(String),
    /// Somebody who shows what is not good.
    Liar,
}

impl Access {
    /// The accounts of an htpasswd file with bcrypt; each may do everything.
    pub fn open(
        htpasswd: &Path,
        scheme: Scheme,
        anonymous: Anonymous,
    ) -> std::result::Result<Self, AccountsError> {
        let accounts = Accounts::read(htpasswd)?;
        Self::of(accounts, Rights::whole(anonymous), scheme)
    }

    /// The accounts of an htpasswd file with the rights of another.
    pub fn limited(
        htpasswd: &Path,
        scheme: Scheme,
        rights: &Path,
    ) -> std::result::Result<Self, AccountsError> {
        let accounts = Accounts::read(htpasswd)?;
        let rights = Rights::read(rights, |name| accounts.hash(name).is_some())?;
        Self::of(accounts, rights, scheme)
    }

    /// Gives identity tokens, under a key that is kept in the registry's directory.
    pub fn with_identities(self, root: &Path) -> std::result::Result<Self, AccountsError> {
        let identities = Some(Arc::new(Identities::open(root)?));
        Ok(Self { identities, ..self })
    }

    fn of(
        accounts: Accounts,
        rights: Rights,
        scheme: Scheme,
    ) -> std::result::Result<Self, AccountsError> {
        let inner = Inner {
            accounts,
            rights,
            signer: match scheme {
                Scheme::Basic => None,
                Scheme::Token => Some(Signer::random()?),
            },
        };
        Ok(Self {
            inner: Arc::new(inner),
            identities: None,
        })
    }

    /// `None` if all that is wanted may be done; else what to answer.
    pub(crate) async fn refuse(
        &self,
        headers: &HeaderMap,
        origin: &str,
        wants: &[Want],
    ) -> Option<Answer> {
        match self.judge(headers, wants).await {
            Ok(Verdict::Admitted) => None,
            Ok(Verdict::Unconvinced(doubt)) => Some(self.challenge(origin, wants, doubt)),
            Ok(Verdict::Denied) => Some(answer::refusal(&Error::denied(DENIED))),
            Err(error) => Some(answer::refusal(&error)),
        }
    }

    /// Whether this client will never get what it wants, whatever token it asks for.
    pub(crate) async fn denies(&self, headers: &HeaderMap, want: &Want) -> Result<bool> {
        let verdict = self.judge(headers, std::slice::from_ref(want)).await?;
        Ok(verdict == Verdict::Denied)
    }

    async fn judge(&self, headers: &HeaderMap, wants: &[Want]) -> Result<Verdict> {
        let covered = |account| {
            wants
                .iter()
                .all(|want| self.inner.rights.cover(account, want))
        };
        let shown = headers.get(AUTHORIZATION);
        let shown = shown.and_then(|value| value.to_str().ok());
        let Some((scheme, value)) = shown.and_then(|value| value.split_once(' ')) else {
            // Without a token nobody learns that none is needed to read.
            let open = self.inner.signer.is_none() && !wants.is_empty() && covered(None);
            return Ok(match open {
                true => Verdict::Admitted,
                false => Verdict::Unconvinced(Doubt::Nothing),
            });
        };
        match &self.inner.signer {
            Some(signer) if scheme.eq_ignore_ascii_case("bearer") => {
                let Some(claims) = signer.claims(value) else {
                    return Ok(Verdict::Unconvinced(Doubt::Token));
                };
                let account = claims.account();
                Ok(match wants.iter().all(|want| claims.cover(want)) {
                    true => Verdict::Admitted,
                    false if account.is_some() && !covered(account) => Verdict::Denied,
                    false => Verdict::Unconvinced(Doubt::Scope),
                })
            }
            None if scheme.eq_ignore_ascii_case("basic") => {
                let account = self.account(basic(value)).await?;
                Ok(match account.as_deref() {
                    None => Verdict::Unconvinced(Doubt::Nothing),
                    account if covered(account) => Verdict::Admitted,
                    Some(_) => Verdict::Denied,
                })
            }
            _ => Ok(Verdict::Unconvinced(Doubt::Nothing)),
        }
    }

    /// The account, if this is its password. That takes a while, by intent.
    async fn account(&self, shown: Option<Shown>) -> Result<Option<String>> {
        let Some(Shown { name, password }) = shown else {
            return Ok(None);
        };
        let access = self.clone();
        blocking(move || {
            Ok(access
                .inner
                .accounts
                .verify(&name, &password)
                .then_some(name))
        })
        .await
    }

    fn challenge(&self, origin: &str, wants: &[Want], doubt: Doubt) -> Answer {
        let error = Error::unauthorized("authentication required");
        let scopes: Vec<String> = wants.iter().map(Want::scope).collect();
        let service = origin.rsplit('/').next().unwrap_or_default();
        let challenge = match &self.inner.signer {
            None => "Basic realm=\"corten registry\"".to_owned(),
            Some(_) => {
                let mut text =
                    format!("Bearer realm=\"{origin}{TOKEN_PATH}\",service=\"{service}\"");
                if !scopes.is_empty() {
                    text += &format!(",scope=\"{}\"", scopes.join(" "));
                }
                text + doubt.parameter()
            }
        };
        with(answer::refusal(&error), WWW_AUTHENTICATE, challenge)
    }

    /// Gives out a token; `form` are the parameters, of the query or of a form.
    pub(crate) async fn token(&self, headers: &HeaderMap, form: &Query) -> Result<Answer> {
        let Some(signer) = &self.inner.signer else {
            return Err(Error::unsupported("tokens are not given out here"));
        };
        let account = match self.shower(headers, form).await? {
            Shower::Account(name) => Some(name),
            // Nobody's token is for those who show nothing, if it is good for anything.
            Shower::Nobody if self.inner.rights.is_open() => None,
            _ => return Err(Error::unauthorized("incorrect username or password")),
        };
        let scopes = form.all("scope").flat_map(str::split_whitespace);
        let grants = scopes.filter_map(Grant::parse);
        let grants = grants.map(|grant| grant.within(&self.inner.rights, account.as_deref()));
        let identity = account.as_deref().filter(|_| is_to_be_kept(form));
        let identity = identity.and_then(|account| self.identity_token(account));
        Ok(signer.answer(account.as_deref(), grants.collect(), identity))
    }

    fn identity_token(&self, account: &str) -> Option<String> {
        let hash = self.inner.accounts.hash(account)?;
        Some(self.identities.as_ref()?.token(account, hash))
    }

    /// Who asks for a token.
    async fn shower(&self, headers: &HeaderMap, form: &Query) -> Result<Shower> {
        let header = headers.get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()?.split_once(' '));
        let account = match (header, form.find("grant_type")) {
            (Some((scheme, value)), _) if scheme.eq_ignore_ascii_case("basic") => {
                self.account(basic(value)).await?
            }
            (None, Some("password")) => {
                let both = form.find("username").zip(form.find("password"));
                let shown = both.map(|(name, password)| Shown {
                    name: name.to_owned(),
                    password: password.to_owned(),
                });
                self.account(shown).await?
            }
            (None, Some("refresh_token")) => {
                let both = self.identities.as_ref().zip(form.find("refresh_token"));
                both.and_then(|(own, token)| {
                    own.account(token, |name| self.inner.accounts.hash(name))
                })
            }
            (None, None) => return Ok(Shower::Nobody),
            _ => None,
        };
        Ok(account.map_or(Shower::Liar, Shower::Account))
    }
}

/// Where this registry is, as the client sees it.
pub(crate) fn origin(headers: &HeaderMap, scheme: &str) -> String {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let host = host.filter(|host| host.chars().all(plain));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

/// Whether a client asks for a token that it can keep, by a query or by a form.
fn is_to_be_kept(form: &Query) -> bool {
    form.find("offline_token") == Some("true") || form.find("access_type") == Some("offline")
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

/// Actions of both, without repetition.
fn united<'a>(actions: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    actions.map(str::to_owned).collect()
}
