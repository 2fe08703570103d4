//! A layer taken in: hashed, stored as it came and unpacked, all from one stream.

use crate::operation::Operation;
use crate::records::LayerRecord;
use crate::{Error, Images};
use bytes::Bytes;
use content::Ingest;
use oci::image::{Descriptor, media_type};
use snapshot::{Draft, Output};
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use types::{Algorithm, Digest};
use unpack::{Compression, Job, Unpacked};

/// Chunks on their way from the network to the disk.
const AHEAD: usize = 16;
const BUFFER: usize = 256 << 10;

/// What a stream must be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The blob, if it was announced.
    pub(crate) blob: Option<Descriptor>,
    /// The digest of its archive, if it was announced.
    pub(crate) diff_id: Option<Digest>,
}

/// A layer being taken in by a thread.
#[derive(Debug)]
pub(crate) struct Intake {
    chunks: mpsc::Sender<Option<Bytes>>,
    taken: oneshot::Receiver<Result<LayerRecord, Error>>,
    /// Bytes that an earlier attempt left.
    pub(crate) offset: u64,
}

/// The thread's side.
struct Taking {
    operation: Arc<Operation>,
    ingest: Ingest,
    expected: Expected,
}

impl Intake {
    /// Begins. The stream's bytes up to [`Self::offset`] are here already.
    pub(crate) fn begin(operation: &Arc<Operation>, expected: Expected) -> Result<Self, Error> {
        let content = &operation.images.0.content;
        let (key, algorithm) = match &expected.blob {
            Some(blob) => (blob.digest.to_string(), blob.digest.algorithm()),
            None => (operation.key().to_owned(), Algorithm::Sha256),
        };
        let failed = Error::content(format!("begin blob {key}"));
        let mut ingest = content.ingest(&key, algorithm).map_err(failed)?;
        if expected
            .blob
            .as_ref()
            .is_some_and(|blob| ingest.len() > blob.size)
        {
            ingest
                .reset()
                .map_err(Error::content("begin a blob anew"))?;
        }
        let offset = ingest.len();
        let (chunks, stream) = mpsc::channel(AHEAD);
        let (answer, taken) = oneshot::channel();
        let taking = Taking {
            operation: Arc::clone(operation),
            ingest,
            expected,
        };
        // Waited for by the operation before it ends.
        drop(operation.threads.spawn_blocking(move || {
            drop(answer.send(taking.run(stream)));
        }));
        Ok(Self {
            chunks,
            taken,
            offset,
        })
    }

    /// Gives the next bytes; `false` if the thread has given up: [`Self::end`] says why.
    pub(crate) async fn give(&self, chunk: Bytes) -> bool {
        self.chunks.send(Some(chunk)).await.is_ok()
    }

    /// Says that the stream is complete, and waits for the layer.
    pub(crate) async fn end(self) -> Result<LayerRecord, Error> {
        // A thread that gave up does not listen; its answer says why.
        drop(self.chunks.send(None).await);
        let gone = |_| Error::Cancelled {
            what: "unpacking a layer".to_owned(),
        };
        self.taken.await.map_err(gone)?
    }
}

impl Taking {
    fn run(mut self, stream: mpsc::Receiver<Option<Bytes>>) -> Result<LayerRecord, Error> {
        let images = self.operation.images.clone();
        let subject = self.subject();
        let (theirs, mut ours) = io::pipe().map_err(Error::io("make a pipe"))?;
        let (draft, job) = unpack(
            &images,
            theirs.into(),
            (&subject, self.expected.diff_id.as_ref()),
        )?;
        let fed = self.feed(stream, &mut ours);
        drop(ours);
        match fed {
            Ok(true) => {}
            // The caller went away: what came stays for a resumption within this operation.
            Ok(false) => {
                return Err(Error::Cancelled {
                    what: format!("unpacking {subject}"),
                });
            }
            Err(error) => {
                // The worker knows better why it no longer reads.
                let refused = job.wait().err().map(Error::unpack(&subject));
                self.ingest
                    .discard()
                    .map_err(Error::content("discard a blob"))?;
                return Err(refused.unwrap_or(error));
            }
        }
        self.finish(job, draft)
    }

    /// Copies the stream to the file, the hash and the worker; `false` if it broke off.
    fn feed(
        &mut self,
        mut stream: mpsc::Receiver<Option<Bytes>>,
        worker: &mut PipeWriter,
    ) -> Result<bool, Error> {
        let mut earlier = self
            .ingest
            .reader()
            .map_err(Error::content("resume a blob"))?;
        copy(&mut earlier, worker).map_err(Error::io("feed the worker"))?;
        while let Some(chunk) = stream.blocking_recv() {
            let Some(chunk) = chunk else {
                return Ok(true);
            };
            let stored = self.ingest.write(&chunk);
            stored.map_err(Error::content("store a blob"))?;
            worker
                .write_all(&chunk)
                .map_err(Error::io("feed the worker"))?;
        }
        Ok(false)
    }

    fn finish(self, job: Job<Unpacked>, draft: Draft) -> Result<LayerRecord, Error> {
        let subject = self.subject();
        let unpacked = match job.wait() {
            Ok(unpacked) => unpacked,
            Err(error) => {
                // What came may be short or wrong: that is the better reason.
                let verified = self.verify();
                self.ingest
                    .discard()
                    .map_err(Error::content("discard a blob"))?;
                verified?;
                return Err(Error::unpack(subject)(error));
            }
        };
        let blob = self.blob(&unpacked);
        if let Some(expected) = &self.expected.diff_id
            && *expected != unpacked.diff_id
        {
            self.ingest
                .discard()
                .map_err(Error::content("discard a blob"))?;
            return Err(Error::malformed(
                format!("layer {}", blob.digest),
                format!(
                    "its archive has digest {}, the image says {expected}",
                    unpacked.diff_id
                ),
            ));
        }
        if self.expected.blob.is_none() {
            let layer = [unpacked.diff_id.clone()];
            self.operation
                .owns(std::slice::from_ref(&blob.digest), &layer)?;
        }
        let failed = Error::content(format!("store {}", blob.digest));
        self.ingest
            .commit(&blob.digest, blob.size)
            .map_err(failed)?;
        self.operation.reached("blob stored");
        keep(&self.operation, draft, &unpacked, blob)
    }

    fn verify(&self) -> Result<(), Error> {
        let Some(blob) = &self.expected.blob else {
            return Ok(());
        };
        let found = self.ingest.digest();
        if found == blob.digest {
            return Ok(());
        }
        let expected = blob.digest.clone();
        Err(Error::content("verify a layer")(content::Error::Mismatch {
            expected,
            found,
        }))
    }

    fn blob(&self, unpacked: &Unpacked) -> Descriptor {
        self.expected.blob.clone().unwrap_or_else(|| {
            let media_type = media_type_of(unpacked);
            Descriptor::new(media_type, self.ingest.digest(), self.ingest.len())
        })
    }

    fn subject(&self) -> String {
        match &self.expected.blob {
            Some(blob) => format!("layer {}", blob.digest),
            None => "the archive".to_owned(),
        }
    }
}

fn media_type_of(unpacked: &Unpacked) -> &'static str {
    match unpacked.compression {
        Compression::None => media_type::LAYER,
        Compression::Gzip => media_type::LAYER_GZIP,
        Compression::Zstd => media_type::LAYER_ZSTD,
    }
}

/// Starts to unpack a stream into a new draft.
fn unpack(
    images: &Images,
    stream: OwnedFd,
    (subject, diff_id): (&str, Option<&Digest>),
) -> Result<(Draft, Job<Unpacked>), Error> {
    let failed = || Error::snapshot(format!("begin {subject}"));
    let draft = images.0.layers.create().map_err(failed())?;
    let algorithm = diff_id.map_or(Algorithm::Sha256, Digest::algorithm);
    let worker = images.0.worker.clone().with_diff_ids(algorithm);
    let job = match draft.output().map_err(failed())? {
        Output::Image(file) => worker.layer(stream, file),
        Output::Tree(dir) => worker.tree(stream, dir),
    };
    Ok((draft, job.map_err(Error::unpack(subject))?))
}

/// Unpacks a blob that is stored already; one without a media type is given the right one.
pub(crate) fn unpack_stored(
    operation: &Operation,
    blob: &Descriptor,
    diff_id: Option<&Digest>,
) -> Result<LayerRecord, Error> {
    let inner = &operation.images.0;
    let subject = format!("layer {}", blob.digest);
    let file = inner.content.file(&blob.digest);
    let file = file.map_err(Error::content(format!("open {subject}")))?;
    let (draft, job) = unpack(&operation.images, file.into(), (&subject, diff_id))?;
    let unpacked = job.wait().map_err(Error::unpack(&subject))?;
    let mut blob = blob.clone();
    if blob.media_type.is_empty() {
        media_type_of(&unpacked).clone_into(&mut blob.media_type);
    }
    match diff_id {
        Some(expected) if *expected != unpacked.diff_id => Err(Error::malformed(
            subject,
            format!(
                "its archive has digest {}, the image says {expected}",
                unpacked.diff_id
            ),
        )),
        Some(_) => keep(operation, draft, &unpacked, blob),
        None => {
            operation.owns(&[], std::slice::from_ref(&unpacked.diff_id))?;
            keep(operation, draft, &unpacked, blob)
        }
    }
}

fn keep(
    operation: &Operation,
    draft: Draft,
    unpacked: &Unpacked,
    blob: Descriptor,
) -> Result<LayerRecord, Error> {
    let layers = &operation.images.0.layers;
    let failed = || Error::snapshot(format!("keep layer {}", blob.digest));
    draft.commit(&unpacked.diff_id).map_err(failed())?;
    operation.reached("layer stored");
    let written = layers.size(&unpacked.diff_id).map_err(failed())?;
    let layer = LayerRecord {
        diff_id: unpacked.diff_id.clone(),
        diff_size: unpacked.diff_size,
        written,
        blob,
    };
    operation.images.0.facts.learn(&layer);
    Ok(layer)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
