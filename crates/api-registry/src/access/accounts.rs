//! Accounts of an htpasswd file: bcrypt, as docker's registry has them.

use ring::hmac;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Passwords that were right and need not be hashed again, at most.
const REMEMBERED: usize = 1024;
/// Characters of a bcrypt hash.
const HASH: usize = 60;

/// Why accounts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file.
    #[error("cannot read {}", path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line of it.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// Where.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The key of identity tokens.
    #[error("cannot keep the key {}", path.display())]
    Key {
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The system has no random numbers.
    #[error("cannot make a key")]
    Random,
}

/// Names, and hashes of their passwords.
pub(super) struct Accounts {
    hashes: HashMap<String, String>,
    /// Names with passwords that were right, under a key that no other process has.
    remembered: Mutex<HashSet<Vec<u8>>>,
    key: hmac::Key,
}

impl std::fmt::Debug for Accounts {
    /// Without the hashes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Accounts").field(&self.hashes.len()).finish()
    }
}

impl Accounts {
    pub(super) fn read(path: &Path) -> Result<Self, AccountsError> {
        let text = std::fs::read_to_string(path).map_err(|source| AccountsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut hashes = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason: &str| AccountsError::Line {
                path: path.to_owned(),
                line: index + 1,
                reason: reason.to_owned(),
            };
            let (name, hash) = line.split_once(':').ok_or_else(|| wrong("no NAME:HASH"))?;
            let known = ["$2a$", "$2b$", "$2y$"]
                .iter()
                .any(|start| hash.starts_with(start));
            if !known || hash.len() != HASH {
                return Err(wrong("not hashed by bcrypt (htpasswd -B)"));
            }
            hashes.insert(name.to_owned(), hash.to_owned());
        }
        Ok(Self {
            hashes,
            remembered: Mutex::default(),
            key: super::token::key()?,
        })
    }

    /// The hash of an account's password.
    pub(super) fn hash(&self, name: &str) -> Option<&str> {
        self.hashes.get(name).map(String::as_str)
    }

    /// Whether the account has this password.
    pub(super) fn verify(&self, name: &str, password: &str) -> bool {
        let both = format!("{}:{name}:{password}", name.len());
        let tag = hmac::sign(&self.key, both.as_bytes()).as_ref().to_vec();
        if self.remembered().contains(&tag) {
            return true;
        }
        // An unknown name takes as long as a known one.
        let own = self.hashes.get(name);
        let Some(hash) = own.or_else(|| self.hashes.values().next()) else {
            return false;
        };
        let right = bcrypt::verify(password, hash).unwrap_or(false) && own.is_some();
        let mut remembered = self.remembered();
        if right && remembered.len() < REMEMBERED {
            remembered.insert(tag);
        }
        right
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashSet<Vec<u8>>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
