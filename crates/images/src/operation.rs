//! Operations of several steps: recorded before the first, committed with the last, else undone.

use crate::holds::Hold;
use crate::images::{names, parts};
use crate::records::{ImageRecord, LayerRecord, NameRecord, OperationRecord, key};
use crate::{Config, Error, Image, Images, Reference};
use metadata::Write;
use oci::image::Descriptor;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{Algorithm, Digest, Timestamp};

/// An operation that has begun.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) images: Images,
    /// The work in other threads: it ends before the operation does.
    pub(crate) threads: TaskTracker,
    key: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    record: OperationRecord,
    holds: Vec<Hold>,
    replaced: bool,
}

/// An image that is complete but for its record.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) config: Config,
    pub(crate) config_media_type: String,
    pub(crate) config_bytes: Vec<u8>,
    pub(crate) config_digest: Digest,
    pub(crate) manifest_media_type: String,
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) manifest_digest: Digest,
    /// The lowest first.
    pub(crate) layers: Vec<LayerRecord>,
    pub(crate) names: Vec<Reference>,
    pub(crate) manifest: Origin,
    /// The image that it was made of here.
    pub(crate) parent: Option<Digest>,
}

/// Whose the manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It came with the image.
    Given,
    /// It was made here: one that came with the same image earlier is better.
    Ours,
}

impl Operation {
    /// Records that `verb` begins on `subject`, and will write the ingest of that key.
    pub(crate) fn begin(
        images: &Images,
        verb: &str,
        subject: &str,
        ingests: Vec<String>,
    ) -> Result<Self, Error> {
        let operation = Self {
            images: images.clone(),
            threads: TaskTracker::new(),
            key: random_key()?,
            state: Mutex::new(State {
                record: OperationRecord {
                    verb: verb.to_owned(),
                    subject: subject.to_owned(),
                    at: Timestamp::now(),
                    blobs: Vec::new(),
                    layers: Vec::new(),
                    ingests,
                },
                holds: Vec::new(),
                replaced: false,
            }),
        };
        operation.save()?;
        operation.reached("begun");
        Ok(operation)
    }

    /// A name that no other operation has.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Records that these blobs and layers may be made, and keeps them from collections.
    pub(crate) fn owns(&self, blobs: &[Digest], layers: &[Digest]) -> Result<(), Error> {
        let all = blobs.iter().chain(layers).cloned();
        let hold = self.images.0.holds.hold(all);
        {
            let mut state = self.state();
            state.holds.push(hold);
            state.record.blobs.extend(blobs.iter().cloned());
            state.record.layers.extend(layers.iter().cloned());
        }
        self.save()
    }

    /// Tells those who watch.
    pub(crate) fn reached(&self, step: &'static str) {
        self.images.0.options.steps.reached(step);
    }

    /// Stores the image's documents and its record, names and all, and keeps the operation open.
    pub(crate) fn commit(&self, made: Made) -> Result<Image, Error> {
        let id = made.config_digest.clone();
        self.owns(&[id.clone(), made.manifest_digest.clone()], &[])?;
        let database = &self.images.0.database;
        let find = || database.read(|read| read.find::<ImageRecord>(&id.to_string()));
        if made.manifest == Origin::Ours && find()?.is_some() {
            let named = database.write::<_, Error>(|write| {
                // It may have been removed meanwhile.
                let there = write.find::<ImageRecord>(&id.to_string())?;
                if there.is_some() {
                    put_names(write, &id, &made.names)?;
                }
                Ok(there.zip(Some(write.list::<NameRecord>()?)))
            })?;
            if let Some((record, names)) = named {
                self.reached("image named");
                return Ok(self.in_hand(record, &names));
            }
        }
        self.store_documents(&made)?;
        let (record, names) = made.split();
        let (replaced, names) = database.write::<_, Error>(|write| {
            let old = write.find::<ImageRecord>(&id.to_string())?;
            write.put(&id.to_string(), &record)?;
            put_names(write, &id, &names)?;
            let replaced = old.is_some_and(|old| old.manifest != record.manifest);
            Ok((replaced, write.list::<NameRecord>()?))
        })?;
        self.state().replaced |= replaced;
        self.reached("image recorded");
        Ok(self.in_hand(record, &names))
    }

    /// The image of a record that was just written: whoever made it has it even if it is removed
    /// at once. Its parts are this operation's until they are held.
    fn in_hand(&self, record: ImageRecord, all: &[(String, NameRecord)]) -> Image {
        let names = names(&record.id(), all);
        let hold = self.images.0.holds.hold(parts(&record));
        self.images.image(record, names, hold)
    }

    fn store_documents(&self, made: &Made) -> Result<(), Error> {
        for (digest, bytes) in [
            (&made.config_digest, &made.config_bytes),
            (&made.manifest_digest, &made.manifest_bytes),
        ] {
            let stored = self.images.0.content.write(digest.algorithm(), bytes);
            stored.map_err(Error::content(format!("store {digest}")))?;
            self.reached("document stored");
        }
        Ok(())
    }

    /// Ends the operation: what no image refers to by now goes.
    pub(crate) fn end(&self, outcome: Outcome) -> Result<(), Error> {
        let database = &self.images.0.database;
        database.write::<_, Error>(|write| Ok(write.remove::<OperationRecord>(&self.key)?))?;
        self.reached("ended");
        let held = std::mem::take(&mut self.state().holds);
        drop(held);
        // What a replaced record alone referred to is needed no more.
        if outcome == Outcome::Failed || self.state().replaced {
            self.images.collect()?;
        }
        Ok(())
    }

    /// Runs what may wait for a disk in a thread that the operation waits for.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let operation = Arc::clone(self);
        let thread = self.threads.spawn_blocking(move || work(&operation));
        joined(thread.await)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> Result<(), Error> {
        let mut batch = metadata::Batch::new();
        batch.put(&self.key, &self.state().record)?;
        self.images.0.database.commit(batch)?;
        Ok(())
    }
}

/// Gives an image its names, which others lose by that.
///
/// COMPAT: but not the digest that comes with a tag: the image of an index that was the first to
/// have it keeps it, when that of another platform is asked for by a tag.
fn put_names(write: &Write, id: &Digest, names: &[Reference]) -> Result<(), Error> {
    let at = Timestamp::now();
    let asked = names.first();
    for name in names {
        let comes_along = name.digest().is_some() && asked != Some(name);
        let taken = |named: NameRecord| named.image != *id;
        if comes_along && write.find::<NameRecord>(&key(name))?.is_some_and(taken) {
            continue;
        }
        let image = id.clone();
        write.put(&key(name), &NameRecord { image, at })?;
    }
    Ok(())
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed,
}

impl Made {
    fn split(self) -> (ImageRecord, Vec<Reference>) {
        let record = ImageRecord {
            config_blob: Descriptor::new(
                &self.config_media_type,
                self.config_digest,
                self.config_bytes.len() as u64,
            ),
            manifest: Descriptor::new(
                &self.manifest_media_type,
                self.manifest_digest,
                self.manifest_bytes.len() as u64,
            ),
            config: self.config,
            layers: self.layers,
            added: Timestamp::now(),
            parent: self.parent,
        };
        (record, self.names)
    }
}

impl Images {
    /// Runs an operation to its end, in a task of its own: a caller that goes away cancels
    /// it, and it still cleans up.
    pub(crate) async fn operate<T, F>(
        &self,
        verb: &'static str,
        subject: String,
        work: impl FnOnce(Arc<Operation>) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send,
    {
        let cancel = CancellationToken::new();
        let _cancelled_on_drop = cancel.clone().drop_guard();
        let images = self.clone();
        let task = tokio::spawn(async move {
            let operation = Arc::new(Operation::begin(&images, verb, &subject, Vec::new())?);
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::Cancelled { what: format!("{verb} of {subject}") }),
                result = work(Arc::clone(&operation)) => result,
            };
            operation.threads.close();
            operation.threads.wait().await;
            let outcome = if result.is_ok() {
                Outcome::Done
            } else {
                Outcome::Failed
            };
            let ended = blocking(move || operation.end(outcome)).await;
            result.and_then(|value| ended.map(|()| value))
        });
        joined(task.await)
    }
}

/// Runs what may wait for a disk in a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The result of a task or thread; that it panicked is an error.
pub(crate) fn joined<T>(result: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    let panicked = |error| Error::io("finish a task")(std::io::Error::other(error));
    result.map_err(panicked)?
}

fn random_key() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .map_err(Error::io("read random bytes"))?;
    let digest = content::Hasher::digest(Algorithm::Sha256, &bytes);
    Ok(digest.hex()[..16].to_owned())
}
