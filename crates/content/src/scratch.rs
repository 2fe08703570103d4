//! A directory for what another process splits into blobs.

use crate::ingest::Claim;
use crate::{Error, Hasher, Store};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use types::Digest;

const BUFFER: usize = 256 << 10;
/// How long the other process of a daemon that was killed may still write.
const ENDING: Duration = Duration::from_secs(10);
/// Between two attempts to remove what it writes.
const PAUSE: Duration = Duration::from_millis(2);

/// Removes the directories that a crash left. Who wrote in one of them learns of the crash by
/// the end of its input, and may put a file there meanwhile.
pub(crate) fn clear(scratches: &Path) -> io::Result<()> {
    let deadline = Instant::now() + ENDING;
    loop {
        match fs::remove_dir_all(scratches) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(PAUSE);
            }
            removed => return removed,
        }
    }
}

/// A directory whose files may become blobs; removed with the rest when dropped.
#[derive(Debug)]
pub struct Scratch {
    store: Store,
    path: PathBuf,
    _claim: Claim,
}

impl Scratch {
    pub(crate) fn create(store: Store, claim: Claim) -> Result<Self, Error> {
        let path = store.scratches().join(claim.key());
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::io("create", &path))?;
        Ok(Self {
            store,
            path,
            _claim: claim,
        })
    }

    /// The directory, for the other process.
    pub fn dir(&self) -> Result<OwnedFd, Error> {
        let opened = File::open(&self.path).map(OwnedFd::from);
        opened.map_err(Error::io("open", &self.path))
    }

    /// Makes the file `found` (at `ALGORITHM/HEX`) the blob `digest`, if it is that: whoever
    /// wrote the file is not believed.
    pub fn adopt(&self, found: &Digest, digest: &Digest) -> Result<u64, Error> {
        if let Some(size) = self.store.find(digest)? {
            return Ok(size);
        }
        let path = self.path(found);
        let mut file = self.file(found)?;
        let mut hasher = Hasher::new(digest.algorithm());
        let mut buffer = vec![0; BUFFER];
        let mut size = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &path)(error)),
            }
        }
        let hashed = hasher.finish();
        if hashed != *digest {
            return Err(Error::Mismatch {
                expected: digest.clone(),
                found: hashed,
            });
        }
        file.sync_data().map_err(Error::io("sync", &path))?;
        self.store.place(&path, digest)?;
        Ok(size)
    }

    /// The bytes of the file `found`, at most `limit`.
    pub fn read(&self, found: &Digest, limit: u64) -> Result<Vec<u8>, Error> {
        let path = self.path(found);
        let file = self.file(found)?;
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(Error::io("read", &path))?;
        match bytes.len() as u64 > limit {
            false => Ok(bytes),
            true => Err(Error::TooLarge {
                digest: found.clone(),
                size: bytes.len() as u64,
                limit,
            }),
        }
    }

    /// Follows no link: the other process may have made one.
    fn file(&self, found: &Digest) -> Result<File, Error> {
        let path = self.path(found);
        let opened = File::options()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path);
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound {
                digest: found.clone(),
            },
            _ => Error::io("open", &path)(error),
        })
    }

    fn path(&self, found: &Digest) -> PathBuf {
        self.path.join(found.algorithm().name()).join(found.hex())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays goes when the store is opened next.
        drop(fs::remove_dir_all(&self.path));
    }
}
