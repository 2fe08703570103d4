//! Identity tokens: what docker keeps in the place of a password. Each is good until its
//! account's password changes or the key is gone.

use super::accounts::AccountsError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The key's file in the registry's directory.
const FILE: &str = "identity-key";
const LEN: usize = 32;

/// Makes identity tokens, and knows its own again.
#[derive(Debug)]
pub(super) struct Identities(hmac::Key);

impl Identities {
    /// With the key of the registry's directory, which is made if there is none.
    pub(super) fn open(root: &Path) -> Result<Self, AccountsError> {
        let path = root.join(FILE);
        let failed = |source| AccountsError::Key {
            path: path.clone(),
            source,
        };
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = vec![0; LEN];
                let filled = SystemRandom::new().fill(&mut bytes);
                filled.map_err(|_| AccountsError::Random)?;
                keep(root, &bytes).map_err(failed)?;
                bytes
            }
            read => read.map_err(failed)?,
        };
        if bytes.len() != LEN {
            return Err(failed(io::Error::other("it has not 32 bytes")));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A token of an account with this hash of its password.
    pub(super) fn token(&self, account: &str, hash: &str) -> String {
        let tag = hmac::sign(&self.0, &signed(account, hash));
        let (name, tag) = (URL_SAFE_NO_PAD.encode(account), URL_SAFE_NO_PAD.encode(tag));
        format!("{name}.{tag}")
    }

    /// The account of a token, if it is still good.
    pub(super) fn account<'a>(
        &self,
        token: &str,
        hash: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<String> {
        let (name, tag) = token.split_once('.')?;
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.0, &signed(&name, hash(&name)?), &tag).ok()?;
        Some(name)
    }
}

fn signed(account: &str, hash: &str) -> Vec<u8> {
    format!("{}:{account}:{hash}", account.len()).into_bytes()
}

/// Writes the key: whole, durable, and for its owner alone.
fn keep(root: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = root.join(format!("{FILE}.draft"));
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, root.join(FILE))?;
    File::open(root)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_the_password_changes_or_the_key_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let identities = Identities::open(dir.path()).unwrap();
        let token = identities.token("me", "hash");
        let again = Identities::open(dir.path()).unwrap();
        let own = |name: &str| (name == "me").then_some("hash");
        assert_eq!(again.account(&token, own).as_deref(), Some("me"));
        assert_eq!(again.account(&token, |_| Some("other")), None);
        assert_eq!(again.account(&token, |_| None), None);
        let (_, tag) = token.split_once('.').unwrap();
        for wrong in ["", ".", "bWU.", &format!("eW91.{tag}"), &token[1..]] {
            assert_eq!(again.account(wrong, |_| Some("hash")), None, "{wrong}");
        }
        fs::remove_file(dir.path().join(FILE)).unwrap();
        let new = Identities::open(dir.path()).unwrap();
        assert_eq!(new.account(&token, own), None);
        fs::write(dir.path().join(FILE), "short").unwrap();
        let refused = Identities::open(dir.path()).unwrap_err();
        assert!(refused.to_string().contains(FILE), "{refused}");
    }
}
