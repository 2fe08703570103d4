//! An image fetched from its registry.

mod layer;

use crate::distribution::fetch;
use crate::error::short;
use crate::load::{MAX_CONFIG, read_config};
use crate::operation::{Made, Operation, Origin, joined};
use crate::records::{ImageRecord, LayerRecord, NameRecord, key};
use crate::{Config, Error, Image, Images, Platform, Progress, Pull, Reference};
use oci::image::media_type::Role;
use oci::image::{Descriptor, Document, Manifest};
use registry::{Access, Fetched, Repository};
use std::sync::Arc;
use types::Digest;

/// Layers that an image may have: overlay's own bound is near.
const MAX_LAYERS: usize = 500;

/// An image as its registry describes it.
struct Described {
    manifest: Manifest,
    descriptor: Descriptor,
    bytes: Vec<u8>,
    config: Config,
    config_bytes: Vec<u8>,
}

impl Images {
    /// Fetches an image from its registry; `progress` hears of it in Docker's words.
    pub async fn pull(&self, pull: Pull, progress: Progress) -> Result<Image, Error> {
        let reference = pull.reference.clone().or_latest();
        let (subject, named) = (reference.familiar(), reference.clone());
        let run = |operation: Arc<Operation>| async move {
            let pulling = Pulling {
                repository: operation.images.transfers().registries.repository(
                    &reference,
                    pull.credentials,
                    Access::Pull,
                )?,
                operation,
                reference,
                platform: pull.platform,
                progress,
            };
            pulling.run().await
        };
        let image = self.operate("pull", subject, run).await?;
        self.tell_transfer("pull", &image, &named);
        Ok(image)
    }
}

/// One pull.
struct Pulling {
    operation: Arc<Operation>,
    repository: Repository,
    reference: Reference,
    platform: Option<Platform>,
    progress: Progress,
}

impl Pulling {
    async fn run(self) -> Result<Image, Error> {
        let top = self.repository.manifest().await?;
        let asked = match self.reference.digest() {
            Some(digest) => digest.to_string(),
            None => self.reference.tag().unwrap_or_default().to_owned(),
        };
        let from = format!("Pulling from {}", self.reference.path());
        self.progress.layer(&asked, from);
        let digest = top.descriptor.digest.clone();
        let image = self.describe(top).await?;
        let foreign = self.check_platform(&image.config).err();
        let layers = self.layers(&image).await?;
        let digested = self.reference.with_digest(&digest);
        let names = match self.reference.digest() {
            Some(_) => vec![digested],
            None => vec![self.reference.clone(), digested],
        };
        let (image, updated) = self.commit(image, layers, names).await?;
        self.progress.status(format!("Digest: {digest}"));
        let shown = self.reference.familiar();
        self.progress.status(match updated {
            true => format!("Status: Downloaded newer image for {shown}"),
            false => format!("Status: Image is up to date for {shown}"),
        });
        // COMPAT: an image of one platform is pulled whatever was asked for.
        if let Some(warning) = foreign {
            self.progress.status(format!("WARNING: {warning}"));
        }
        Ok(image)
    }

    /// The manifest for the platform, and its configuration.
    async fn describe(&self, top: Fetched) -> Result<Described, Error> {
        let fetched = match &top.document {
            Document::Manifest(_) => top,
            Document::Index(index) => {
                let platform = self.platform.clone().unwrap_or_else(Platform::host);
                let chosen = index.choose(&platform).ok_or_else(|| Error::NoPlatform {
                    reference: self.reference.familiar(),
                    platform: Box::new(platform),
                })?;
                let declared = Some(chosen.media_type.as_str());
                self.repository
                    .manifest_of(&chosen.digest, declared)
                    .await?
            }
        };
        let Fetched {
            descriptor,
            bytes,
            document,
        } = fetched;
        let subject = format!("manifest {}", descriptor.digest);
        let Document::Manifest(manifest) = document else {
            return Err(Error::malformed(subject, "an index leads to an index"));
        };
        check(&manifest, &subject)?;
        let config_bytes = self.config(&manifest.config).await?;
        let layers = manifest.layers.len();
        let read = move |operation: &Arc<Operation>| {
            let config = read_config(&operation.images.0.worker, &config_bytes, layers)?;
            Ok((config, config_bytes))
        };
        let (config, config_bytes) = self.operation.blocking(read).await?;
        Ok(Described {
            manifest: *manifest,
            descriptor,
            bytes,
            config,
            config_bytes,
        })
    }

    /// The configuration's bytes, from the store if they are there.
    async fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let content = self.operation.images.0.content.clone();
        let digest = &descriptor.digest;
        if let Ok(bytes) = content.read(digest, MAX_CONFIG) {
            return Ok(bytes);
        }
        fetch(&self.repository, descriptor).await
    }

    fn check_platform(&self, config: &Config) -> Result<(), Error> {
        match &self.platform {
            Some(wanted) => matches(&self.reference, wanted, &config.platform()),
            None => Ok(()),
        }
    }

    /// Every layer, the lowest first; several are fetched at once.
    async fn layers(&self, image: &Described) -> Result<Vec<LayerRecord>, Error> {
        let blobs: Vec<Digest> = image
            .manifest
            .layers
            .iter()
            .map(|l| l.digest.clone())
            .collect();
        let diff_ids = image.config.rootfs.diff_ids.clone();
        let wanted = image.manifest.layers.clone();
        let look = move |operation: &Arc<Operation>| {
            operation.owns(&blobs, &diff_ids)?;
            let all = wanted.iter().zip(&diff_ids);
            let here = all.map(|(blob, diff_id)| layer::is_here(operation, blob, diff_id));
            here.collect::<Result<Vec<_>, _>>()
        };
        let here = self.operation.blocking(look).await?;
        let id = image.manifest.config.digest.to_string();
        let database = &self.operation.images.0.database;
        let known = database.read(|read| read.find::<ImageRecord>(&id))?;
        // COMPAT: of an image that is here nothing is told of its layers.
        let progress = match known {
            Some(_) => Progress::none(),
            None => self.progress.clone(),
        };
        let layers = image.manifest.layers.iter().zip(here);
        for (blob, _) in layers.filter(|(_, is_here)| !is_here) {
            progress.layer(short(&blob.digest), "Pulling fs layer");
        }
        let mut tasks = tokio::task::JoinSet::new();
        let diff_ids = image.config.rootfs.diff_ids.iter();
        for (index, (blob, diff_id)) in image.manifest.layers.iter().zip(diff_ids).enumerate() {
            let fetching = layer::Fetching {
                operation: Arc::clone(&self.operation),
                repository: self.repository.clone(),
                blob: blob.clone(),
                diff_id: diff_id.clone(),
                progress: progress.clone(),
            };
            let fetched = async move { Ok((index, fetching.run().await?)) };
            tasks.spawn(self.operation.threads.track_future(fetched));
        }
        let mut layers = Vec::new();
        while let Some(layer) = tasks.join_next().await {
            layers.push(joined(layer)?);
        }
        layers.sort_by_key(|(index, _)| *index);
        Ok(layers.into_iter().map(|(_, layer)| layer).collect())
    }

    /// Stores the image's record; says whether its first name is new to it.
    async fn commit(
        &self,
        image: Described,
        layers: Vec<LayerRecord>,
        names: Vec<Reference>,
    ) -> Result<(Image, bool), Error> {
        let made = Made {
            config: image.config,
            config_media_type: image.manifest.config.media_type,
            config_bytes: image.config_bytes,
            config_digest: image.manifest.config.digest,
            manifest_media_type: image.descriptor.media_type,
            manifest_bytes: image.bytes,
            manifest_digest: image.descriptor.digest,
            layers,
            names,
            manifest: Origin::Given,
            parent: None,
        };
        let commit = move |operation: &Arc<Operation>| {
            let database = &operation.images.0.database;
            let name = made.names.first().map(key).unwrap_or_default();
            let before = database.read(|read| read.find::<NameRecord>(&name))?;
            let image = operation.commit(made)?;
            let updated = before.is_none_or(|before| before.image != image.id);
            Ok((image, updated))
        };
        self.operation.blocking(commit).await
    }
}

/// Refuses an image that is for another platform than was asked for.
pub(crate) fn matches(
    reference: &Reference,
    wanted: &Platform,
    own: &Platform,
) -> Result<(), Error> {
    match wanted.rank(own) {
        Some(_) => Ok(()),
        None => Err(Error::OtherPlatform {
            reference: reference.familiar(),
            own: Box::new(own.clone()),
            wanted: Box::new(wanted.clone()),
        }),
    }
}

/// Refuses what is no image of layers that can be unpacked here.
fn check(manifest: &Manifest, subject: &str) -> Result<(), Error> {
    let refused = |what: &str, media_type: &str| {
        Error::malformed(
            subject,
            format!("unsupported {what} media type {media_type:?}"),
        )
    };
    let config = &manifest.config.media_type;
    if Role::of(config) != Some(Role::Config) {
        return Err(refused("configuration", config));
    }
    if manifest.layers.len() > MAX_LAYERS {
        let reason = format!(
            "{} layers, more than the limit of {MAX_LAYERS}",
            manifest.layers.len()
        );
        return Err(Error::malformed(subject, reason));
    }
    for layer in &manifest.layers {
        match Role::of(&layer.media_type) {
            Some(role) if role.is_layer() => {}
            _ => return Err(refused("layer", &layer.media_type)),
        }
    }
    Ok(())
}
