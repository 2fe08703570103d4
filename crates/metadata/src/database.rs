//! The open database.

use crate::queue::{Failure, Queue, lock};
use crate::store::Store;
use crate::{Batch, Error, Read, Write, version};
use redb::{Builder, DatabaseError, StorageBackend};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use types::Kind;

/// Pages held in memory. The store's own default is 1 GiB.
const CACHE: usize = 4 << 20;

/// The daemon's database, open in this process alone.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    store: Store,
    queue: Queue,
    /// The turn to write.
    turn: Mutex<()>,
}

impl Database {
    /// Opens the database at `path`, made with mode 0600 if there is none.
    ///
    /// An older one is migrated; one of a newer version is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let created = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        let file = created.map_err(|source| Error::Open {
            path: path.to_owned(),
            source: Box::new(redb::Error::Io(source)),
        })?;
        let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        drop(file);
        if !is_new {
            version::look(path, &builder(), &version::STEPS)?;
        }
        let file = path.to_owned();
        Self::settled(path, Store::open(move || builder().create(&file)))
    }

    /// Opens a database over something other than a file, as tests of faults do.
    pub fn with_backend(backend: impl StorageBackend + Clone) -> Result<Self, Error> {
        let open = move || builder().create_with_backend(backend.clone());
        Self::settled(Path::new("(backend)"), Store::open(open))
    }

    fn settled(path: &Path, store: Result<Store, DatabaseError>) -> Result<Self, Error> {
        let store = store.map_err(|source| match source {
            DatabaseError::DatabaseAlreadyOpen => Error::InUse {
                path: path.to_owned(),
            },
            other => Error::Open {
                path: path.to_owned(),
                source: Box::new(other.into()),
            },
        })?;
        let database = Self {
            path: path.to_owned(),
            store,
            queue: Queue::default(),
            turn: Mutex::new(()),
        };
        let write = database.begin()?;
        if version::settle(&write, path, &version::STEPS)? {
            database.end(write)?;
        }
        Ok(database)
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads: `operation` sees one commit's state, and waits for no writer.
    pub fn read<T, E: From<Error>>(
        &self,
        operation: impl FnOnce(&Read) -> Result<T, E>,
    ) -> Result<T, E> {
        operation(&Read(self.store.begin_read()?))
    }

    /// Writes: what `operation` did is durable when this returns, or undone if it failed.
    pub fn write<T, E: From<Error>>(
        &self,
        operation: impl FnOnce(&Write) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = lock(&self.turn);
        let write = self.begin()?;
        let value = operation(&write)?;
        self.end(write)?;
        Ok(value)
    }

    /// Makes the changes of `batch` durable, in one commit with other callers' batches of the
    /// moment. Gives the sequence numbers of its journal entries.
    pub fn commit(&self, batch: Batch) -> Result<Vec<u64>, Error> {
        let ticket = self.queue.join(batch);
        let _turn = lock(&self.turn);
        if let Some(outcome) = ticket.outcome() {
            return outcome;
        }
        self.commit_queue();
        ticket.outcome().unwrap_or_else(|| {
            Err(Error::Grouped {
                kind: types::ErrorKind::Internal,
                reason: "the batch was lost".to_owned(),
            })
        })
    }

    /// Keeps changes for the next commit to take along. A crash before it loses them, so they
    /// must be ones that a start would make again.
    pub fn defer(&self, batch: Batch) {
        self.queue.defer(batch);
    }

    fn commit_queue(&self) {
        let deferred = self.queue.take_deferred();
        let waiting = self.queue.take();
        let committed = self.commit_all(&deferred, waiting.iter().map(|w| &w.batch));
        match committed {
            Ok(sequences) => {
                for (waiting, sequences) in waiting.iter().zip(sequences) {
                    waiting.settle(Ok(sequences));
                }
            }
            Err(error) => {
                self.queue.return_deferred(deferred);
                let failure = Failure {
                    kind: error.kind(),
                    reason: chain(&error),
                };
                for waiting in &waiting {
                    waiting.settle(Err(failure.clone()));
                }
            }
        }
    }

    fn commit_all<'a>(
        &self,
        deferred: &Batch,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Result<Vec<Vec<u64>>, Error> {
        let write = self.begin()?;
        deferred.apply(&write)?;
        let sequences = batches
            .map(|batch| batch.apply(&write))
            .collect::<Result<_, _>>()?;
        self.end(write)?;
        Ok(sequences)
    }

    fn begin(&self) -> Result<Write, Error> {
        self.store.begin_write().map(Write)
    }

    fn end(&self, write: Write) -> Result<(), Error> {
        let committed = write.0.commit();
        if committed.is_err() {
            self.store.close();
        }
        committed.map_err(Error::store("commit to", "database"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let deferred = self.queue.take_deferred();
        if !deferred.is_empty() {
            // Deferred changes may be lost: the next start makes them again.
            drop(self.commit_all(&deferred, std::iter::empty()));
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// An error with its causes, for callers that share it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
