//! Tokens: a list of what is granted, signed by a key of this process.

use super::accounts::AccountsError;
use super::rights::Rights;
use super::{Want, united};
use crate::answer::{self, Answer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use ring::{hmac, rand};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use types::Timestamp;

/// Seconds that a token is good for.
const LIFE: u64 = 300;
/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What a token lets its bearer do with one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The account; without one: empty, as docker's tokens have it.
    sub: String,
    iat: u64,
    exp: u64,
    access: Vec<Grant>,
}

impl Claims {
    pub(super) fn account(&self) -> Option<&str> {
        (!self.sub.is_empty()).then_some(self.sub.as_str())
    }

    pub(super) fn cover(&self, want: &Want) -> bool {
        self.access.iter().any(|grant| grant.covers(want))
    }
}

impl Grant {
    /// `repository:a/b:pull,push`; the name may have colons.
    pub(super) fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let known = match kind {
            "repository" => &["pull", "push", "delete", "*"][..],
            "registry" => &["*"],
            _ => return None,
        };
        let actions = united(actions.split(',').filter(|action| known.contains(action)));
        Some(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: actions.into_iter().collect(),
        })
    }

    /// Of this, what the account may do.
    pub(super) fn within(mut self, rights: &Rights, account: Option<&str>) -> Self {
        self.actions = rights.of(account, &self.kind, &self.name, &self.actions);
        self
    }

    fn covers(&self, want: &Want) -> bool {
        let has = |action: &&str| self.actions.iter().any(|own| own == action || own == "*");
        self.kind == want.kind && self.name == want.name && want.actions.iter().all(has)
    }
}

/// Makes tokens, and knows its own again.
#[derive(Debug)]
pub(super) struct Signer(hmac::Key);

/// A key that nobody else has.
pub(super) fn key() -> Result<hmac::Key, AccountsError> {
    let random = rand::SystemRandom::new();
    hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| AccountsError::Random)
}

impl Signer {
    pub(super) fn random() -> Result<Self, AccountsError> {
        key().map(Self)
    }

    /// What a token says, if it is ours and not too old.
    pub(super) fn claims(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        (claims.exp > now()).then_some(claims)
    }

    fn sign(&self, account: Option<&str>, access: Vec<Grant>, iat: u64) -> String {
        let claims = Claims {
            sub: account.unwrap_or_default().to_owned(),
            iat,
            exp: iat + LIFE,
            access,
        };
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The token server's answer.
    pub(super) fn answer(
        &self,
        account: Option<&str>,
        access: Vec<Grant>,
        identity: Option<String>,
    ) -> Answer {
        let token = self.sign(account, access, now());
        let mut document = serde_json::json!({
            "token": token, "access_token": token, "expires_in": LIFE,
            "issued_at": Timestamp::now().to_string(),
        });
        if let Some(identity) = identity {
            document["refresh_token"] = identity.into();
        }
        answer::json(StatusCode::OK, "application/json", &document)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Anonymous;

    #[test]
    fn a_token_grants_what_it_says_while_it_is_good() {
        let signer = Signer::random().unwrap();
        let grant = Grant::parse("repository:a:5000/b:pull,push,fly").unwrap();
        let want = |actions: &[&'static str]| Want::repository("a:5000/b", actions);
        assert!(grant.covers(&want(&["pull", "push"])));
        assert!(!grant.covers(&want(&["delete"])));
        assert!(!grant.covers(&Want::repository("a:5000/c", &["pull"])));
        let reads = Rights::whole(Anonymous::Pull);
        let read = grant.clone().within(&reads, None);
        assert!(read.covers(&want(&["pull"])) && !read.covers(&want(&["push"])));
        assert_eq!(Grant::parse("galaxy:a:pull"), None);

        let token = signer.sign(Some("me"), vec![grant.clone()], now());
        let claims = signer.claims(&token).unwrap();
        assert_eq!(claims.access, std::slice::from_ref(&grant));
        assert_eq!(claims.account(), Some("me"));
        let old = signer.sign(None, vec![grant], now() - LIFE - 1);
        assert!(signer.claims(&old).is_none());
        assert!(Signer::random().unwrap().claims(&token).is_none());
        let other = token.replacen("eyJ", "eyK", 2);
        for wrong in ["", ".", "a.b.c", &token[1..], &other] {
            assert!(signer.claims(wrong).is_none(), "{wrong}");
        }
    }
}
