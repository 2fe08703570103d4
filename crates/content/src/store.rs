//! The directory of blobs.

use crate::ingest::Claims;
use crate::{Error, Hasher, Ingest, Scratch, scratch};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use types::{Algorithm, Digest};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// Writes since the process began.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Blobs by digest, and those that are yet to be complete.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    claims: Claims,
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
    /// Bytes of the blocks that it takes.
    pub allocated: u64,
}

/// A blob that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The key that it is written under.
    pub key: String,
    /// Bytes so far.
    pub size: u64,
    /// Bytes of the blocks that it takes.
    pub allocated: u64,
    /// When it last grew.
    pub modified: SystemTime,
    /// Whether a writer has it now.
    pub active: bool,
}

impl Store {
    /// Opens the store at `root`, and makes it if it is not there. Scratch directories that a
    /// crash left are removed.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let store = Self {
            root: root.to_owned(),
            claims: Claims::default(),
        };
        let blobs = ALGORITHMS.map(|algorithm| store.blobs(algorithm));
        let scratches = store.scratches();
        scratch::clear(&scratches).map_err(Error::io("remove", &scratches))?;
        for dir in blobs.iter().chain([&store.ingests(), &scratches]) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(Error::io("create", dir))?;
        }
        // Others must not pass, whatever the umask was (CVE-2021-41091).
        fs::set_permissions(root, Permissions::from_mode(0o700))
            .map_err(Error::io("change the mode of", root))?;
        Ok(store)
    }

    /// The blob's length, if it is here.
    pub fn find(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// The blob, open for reading.
    pub fn file(&self, digest: &Digest) -> Result<File, Error> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound {
                digest: digest.clone(),
            },
            _ => Error::io("open", &path)(error),
        })
    }

    /// The blob's bytes, at most `limit`, verified.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let path = self.path(digest);
        let mut bytes = Vec::new();
        let file = self.file(digest)?;
        let size = file.metadata().map_err(Error::io("read", &path))?.len();
        if size > limit {
            return Err(Error::TooLarge {
                digest: digest.clone(),
                size,
                limit,
            });
        }
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", &path))?;
        let found = Hasher::digest(digest.algorithm(), &bytes);
        match found == *digest {
            true => Ok(bytes),
            false => Err(Error::Mismatch {
                expected: digest.clone(),
                found,
            }),
        }
    }

    /// Stores `bytes` under their digest, durably.
    pub fn write(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Hasher::digest(algorithm, bytes);
        if self.find(&digest)? == Some(bytes.len() as u64) {
            return Ok(digest);
        }
        // A key of its own: others may write the same bytes at the same time.
        let turn = WRITES.fetch_add(1, Ordering::Relaxed);
        let mut ingest = self.ingest(&format!("{digest}.{turn}"), algorithm)?;
        ingest.reset()?;
        ingest.write(bytes)?;
        ingest.commit(&digest, bytes.len() as u64)?;
        Ok(digest)
    }

    /// Begins a blob, or goes on with the one begun under `key`: [`Ingest::len`] bytes of it
    /// are here already. One writer at a time has a key.
    pub fn ingest(&self, key: &str, algorithm: Algorithm) -> Result<Ingest, Error> {
        let claim = self.claims.take(key)?;
        Ingest::open(self.clone(), claim, algorithm)
    }

    /// An empty directory under `key` for another process to split an archive into.
    pub fn scratch(&self, key: &str) -> Result<Scratch, Error> {
        Scratch::create(self.clone(), self.claims.take(key)?)
    }

    /// The blobs that are not complete, in no order.
    pub fn partials(&self) -> Result<Vec<Partial>, Error> {
        let dir = self.ingests();
        let mut found = Vec::new();
        for entry in fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
            let entry = entry.map_err(Error::io("list", &dir))?;
            let Ok(metadata) = entry.metadata() else {
                continue; // Completed or given up meanwhile.
            };
            let key = entry.file_name().to_string_lossy().into_owned();
            found.push(Partial {
                active: self.claims.has(&key),
                key,
                size: metadata.len(),
                allocated: metadata.blocks() * 512,
                modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
        Ok(found)
    }

    /// Throws away what was begun under `key`, if no writer has it; nothing is done if there
    /// is nothing.
    pub fn abort(&self, key: &str) -> Result<(), Error> {
        let claim = self.claims.take(key)?;
        remove(&self.ingests().join(claim.key()))
    }

    /// Removes a blob. One that is not here is removed already.
    pub fn delete(&self, digest: &Digest) -> Result<(), Error> {
        remove(&self.path(digest))
    }

    /// Every blob, in no order.
    pub fn list(&self) -> Result<Vec<Blob>, Error> {
        let mut found = Vec::new();
        for algorithm in ALGORITHMS {
            let dir = self.blobs(algorithm);
            for entry in fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
                let entry = entry.map_err(Error::io("list", &dir))?;
                let name = format!(
                    "{}:{}",
                    algorithm.name(),
                    entry.file_name().to_string_lossy()
                );
                if let (Ok(digest), Ok(metadata)) = (name.parse(), entry.metadata()) {
                    found.push(Blob {
                        digest,
                        size: metadata.len(),
                        allocated: metadata.blocks() * 512,
                    });
                }
            }
        }
        Ok(found)
    }

    /// Where a blob is or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    /// The directory of what is not complete.
    pub(crate) fn ingests(&self) -> PathBuf {
        self.root.join("ingests")
    }

    /// Where archives are split into blobs.
    pub(crate) fn scratches(&self) -> PathBuf {
        self.root.join("scratch")
    }

    fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    /// Gives a complete file its blob's name. The file is durable already.
    pub(crate) fn place(&self, from: &Path, digest: &Digest) -> Result<(), Error> {
        let to = self.path(digest);
        fs::rename(from, &to).map_err(Error::io("rename to", &to))?;
        let dir = self.blobs(digest.algorithm());
        let synced = File::open(&dir).and_then(|dir| dir.sync_all());
        synced.map_err(Error::io("sync", &dir))
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
