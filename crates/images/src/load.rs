//! The images of an archive: `docker save`, docker-archive, OCI archive.

mod archive;
mod docker;
mod layout;

use crate::intake::unpack_stored;
use crate::operation::{Made, Operation, Origin, joined};
use crate::records::{LayerRecord, NameRecord, key};
use crate::{Config, Error, Images, Input, Loaded, Platform, Progress, Reference};
pub(crate) use archive::read_config;

use archive::Archive;
use content::Scratch;
use oci::image::Descriptor;
use std::io::Write;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use types::Digest;
use unpack::Split;

/// Bytes read from a caller at once.
const CHUNK: usize = 128 << 10;
/// The largest configuration that is read.
pub(crate) const MAX_CONFIG: u64 = 8 << 20;
/// Layers that are unpacked at once.
const AT_ONCE: usize = 4;

/// An image as an archive describes it.
#[derive(Debug)]
struct Described {
    config: Config,
    config_bytes: Vec<u8>,
    config_digest: Digest,
    config_media_type: String,
    /// The manifest as it was, if the archive has one.
    manifest: Option<(Descriptor, Vec<u8>)>,
    /// Layers, the lowest first: where each is in the archive, and as what.
    layers: Vec<(Digest, Descriptor)>,
    names: Vec<Reference>,
}

impl Images {
    /// Takes in the images of an archive: `docker save`, docker-archive, OCI archive. Of an
    /// image for several platforms it is the one for `platform`, or else the host's.
    pub async fn load(
        &self,
        input: Input,
        platform: Option<Platform>,
        progress: Progress,
    ) -> Result<Vec<Loaded>, Error> {
        let run = |operation: Arc<Operation>| async move {
            let (scratch, split) = split(&operation, input).await?;
            let worker = operation.images.0.worker.clone();
            let archive = Archive::new(scratch, split, worker);
            let platform = platform.unwrap_or_else(Platform::host);
            let describe = move |_: &Arc<Operation>| {
                let described = archive.describe(&platform)?;
                Ok((Arc::new(archive), described))
            };
            let (archive, described) = operation.blocking(describe).await?;
            let mut loaded = Vec::new();
            for image in described {
                loaded.push(take(&operation, &archive, image, &progress).await?);
            }
            Ok(loaded)
        };
        let loaded: Vec<Loaded> = self.operate("load", "an archive".to_owned(), run).await?;
        for one in &loaded {
            // One that was removed meanwhile tells so itself.
            if let Ok(image) = self.find(&one.id.to_string()) {
                self.tell("load", &image);
            }
        }
        Ok(loaded)
    }
}

/// Has the worker split the archive.
async fn split(operation: &Arc<Operation>, mut input: Input) -> Result<(Scratch, Split), Error> {
    let scratch = operation.images.0.content.scratch(operation.key());
    let scratch = scratch.map_err(Error::content("make a scratch directory"))?;
    let dir = scratch
        .dir()
        .map_err(Error::content("open a scratch directory"))?;
    let (theirs, ours) = std::io::pipe().map_err(Error::io("make a pipe"))?;
    let job = operation.images.0.worker.archive(theirs.into(), dir);
    let job = job.map_err(Error::unpack("the archive"))?;
    let (chunks, mut stream) = tokio::sync::mpsc::channel::<bytes::Bytes>(16);
    let feeding = operation.threads.spawn_blocking(move || {
        let mut ours = ours;
        while let Some(chunk) = stream.blocking_recv() {
            if ours.write_all(&chunk).is_err() {
                return; // The worker refused: its answer says why.
            }
        }
    });
    let waiting = operation.threads.spawn_blocking(move || job.wait());
    loop {
        let mut buffer = bytes::BytesMut::with_capacity(CHUNK);
        let read = input.read_buf(&mut buffer).await;
        let count = read.map_err(Error::io("read the archive"))?;
        if count == 0 || chunks.send(buffer.freeze()).await.is_err() {
            break;
        }
    }
    drop(chunks);
    joined(feeding.await.map(Ok))?;
    let split = waiting
        .await
        .map(|split| split.map_err(Error::unpack("the archive")));
    Ok((scratch, joined(split)?))
}

/// Makes one image of the archive ours.
async fn take(
    operation: &Arc<Operation>,
    archive: &Arc<Archive>,
    image: Described,
    progress: &Progress,
) -> Result<Loaded, Error> {
    let diff_ids = image.config.rootfs.diff_ids.clone();
    let blobs: Vec<Digest> = image
        .layers
        .iter()
        .map(|(_, blob)| blob.digest.clone())
        .collect();
    let held = diff_ids.clone();
    operation
        .blocking(move |operation| operation.owns(&blobs, &held))
        .await?;
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for (index, (diff_id, (found, blob))) in
        diff_ids.into_iter().zip(image.layers.clone()).enumerate()
    {
        let (operation, archive) = (Arc::clone(operation), Arc::clone(archive));
        let (places, threads) = (Arc::clone(&places), operation.threads.clone());
        tasks.spawn(threads.track_future(async move {
            // The turn before the place: who has a place never waits for a turn.
            let turn = operation.images.0.turns.take(&diff_id).await;
            let _place = places.acquire_owned().await;
            let work = move |operation: &Arc<Operation>| {
                let layer = layer(operation, &archive, &diff_id, &found, &blob);
                drop(turn);
                layer
            };
            let layer = operation.blocking(work).await?;
            Ok::<_, Error>((index, layer))
        }));
    }
    let mut layers = Vec::new();
    while let Some(layer) = tasks.join_next().await {
        layers.push(joined(layer)?);
    }
    layers.sort_by_key(|(index, _)| *index);
    let layers = layers.into_iter().map(|(_, layer)| layer).collect();
    let progress = progress.clone();
    let finish = move |operation: &Arc<Operation>| finish(operation, image, layers, &progress);
    operation.blocking(finish).await
}

/// One layer, from the store if it is there.
fn layer(
    operation: &Operation,
    archive: &Archive,
    diff_id: &Digest,
    found: &Digest,
    blob: &Descriptor,
) -> Result<LayerRecord, Error> {
    if let Some(layer) = operation.images.find_layer(diff_id)? {
        operation.owns(std::slice::from_ref(&layer.blob.digest), &[])?;
        let stored = operation.images.0.content.find(&layer.blob.digest);
        if stored.map_err(Error::content("look for a blob"))?.is_some() {
            return Ok(layer);
        }
    }
    archive.adopt(found, &blob.digest)?;
    operation.reached("blob stored");
    unpack_stored(operation, blob, Some(diff_id))
}

fn finish(
    operation: &Operation,
    image: Described,
    layers: Vec<LayerRecord>,
    progress: &Progress,
) -> Result<Loaded, Error> {
    let id = image.config_digest.clone();
    let names = image.names.clone();
    for name in &names {
        tell_renamed(operation, name, &id, progress)?;
    }
    let made = match image.manifest {
        // Layers found here may have come in another form: then the manifest does not fit.
        Some((descriptor, bytes)) if same(&layers, &image.layers) => Made {
            config: image.config,
            config_media_type: image.config_media_type,
            config_bytes: image.config_bytes,
            config_digest: image.config_digest,
            manifest_media_type: descriptor.media_type,
            manifest_bytes: bytes,
            manifest_digest: descriptor.digest,
            layers,
            names: image.names,
            manifest: Origin::Given,
            parent: None,
        },
        _ => crate::import::wrap(image.config, image.config_bytes, layers, image.names)?,
    };
    operation.commit(made)?;
    for name in &names {
        progress.text(format!("Loaded image: {}\n", name.familiar()));
    }
    if names.is_empty() {
        progress.text(format!("Loaded image ID: {id}\n"));
    }
    Ok(Loaded {
        id,
        references: names,
    })
}

fn same(layers: &[LayerRecord], described: &[(Digest, Descriptor)]) -> bool {
    let both = layers.iter().zip(described);
    both.into_iter()
        .all(|(layer, (_, blob))| layer.blob.digest == blob.digest)
}

/// Says so if another image loses its name, as Docker does.
fn tell_renamed(
    operation: &Operation,
    name: &Reference,
    id: &Digest,
    progress: &Progress,
) -> Result<(), Error> {
    let database = &operation.images.0.database;
    let old = database.read::<_, Error>(|read| Ok(read.find::<NameRecord>(&key(name))?))?;
    if let Some(old) = old.filter(|old| old.image != *id) {
        progress.text(format!(
            "The image {} already exists, renaming the old one with ID {} to empty string\n",
            name.familiar(),
            old.image
        ));
    }
    Ok(())
}
