//! A blob in the making: resumable, hashed as it grows.

use crate::{Error, Hasher, Store};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use types::{Algorithm, Digest};

const MAX_KEY: usize = 200;
const BUFFER: usize = 256 << 10;

/// The keys that writers have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Arc<Mutex<HashSet<String>>>);

/// One key, had by one writer.
#[derive(Debug)]
pub(crate) struct Claim {
    key: String,
    claims: Claims,
}

impl Claims {
    pub(crate) fn take(&self, key: &str) -> Result<Claim, Error> {
        let harmless = |b: u8| b.is_ascii_alphanumeric() || b"_.:+-".contains(&b);
        let fits = (1..=MAX_KEY).contains(&key.len()) && !key.starts_with('.');
        if !fits || !key.bytes().all(harmless) {
            return Err(Error::Key {
                key: key.to_owned(),
            });
        }
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.insert(key.to_owned()) {
            true => Ok(Claim {
                key: key.to_owned(),
                claims: self.clone(),
            }),
            false => Err(Error::Busy {
                key: key.to_owned(),
            }),
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.contains(key)
    }
}

impl Claim {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut keys = self.claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}

/// A blob in the making. Dropped before [`Ingest::commit`], it stays to be resumed, until
/// [`Store::abort`].
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    _claim: Claim,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    algorithm: Algorithm,
    len: u64,
}

impl Ingest {
    pub(crate) fn open(store: Store, claim: Claim, algorithm: Algorithm) -> Result<Self, Error> {
        let path = store.ingests().join(claim.key());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let mut ingest = Self {
            store,
            _claim: claim,
            path,
            file,
            hasher: Hasher::new(algorithm),
            algorithm,
            len: 0,
        };
        ingest.rehash()?;
        Ok(ingest)
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes);
        written.map_err(Error::io("write to", &self.path))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what was written.
    pub fn reset(&mut self) -> Result<(), Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(Error::io("empty", &self.path))?;
        self.hasher = Hasher::new(self.algorithm);
        self.len = 0;
        Ok(())
    }

    /// What was written so far, from the start.
    pub fn reader(&self) -> Result<impl Read + use<>, Error> {
        let opened = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        Ok(opened.take(self.len))
    }

    /// The digest of what was written so far.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Makes the blob durable and gives it its name, if it is what `digest` and `size` say;
    /// otherwise throws it away.
    pub fn commit(self, digest: &Digest, size: u64) -> Result<(), Error> {
        if let Err(error) = self.verify(digest, size) {
            self.discard()?;
            return Err(error);
        }
        let synced = self.file.sync_data();
        synced.map_err(Error::io("sync", &self.path))?;
        self.store.place(&self.path, digest)
    }

    /// Throws the blob away.
    pub fn discard(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))
    }

    fn verify(&self, digest: &Digest, size: u64) -> Result<(), Error> {
        if self.len != size {
            return Err(Error::Size {
                digest: digest.clone(),
                expected: size,
                found: self.len,
            });
        }
        let found = self.digest();
        match found == *digest {
            true => Ok(()),
            false => Err(Error::Mismatch {
                expected: digest.clone(),
                found,
            }),
        }
    }

    /// Hashes what an earlier writer left.
    fn rehash(&mut self) -> Result<(), Error> {
        let mut buffer = vec![0; BUFFER];
        let failed = |path: &PathBuf, source: io::Error| Error::io("read", path)(source);
        loop {
            let count = match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(&self.path, error)),
            };
            self.hasher.update(&buffer[..count]);
            self.len += count as u64;
        }
        let at = self.file.seek(SeekFrom::End(0));
        at.map(drop).map_err(|error| failed(&self.path, error))
    }
}
