//! Images sent to a registry, bit for bit as they came.

use crate::error::short;
use crate::images::names;
use crate::operation::joined;
use crate::progress::Event;
use crate::pull::matches;
use crate::records::{ImageRecord, LayerRecord, NameRecord, key};
use crate::{Error, Image, Images, Platform, Progress, Push, Reference};
use oci::image::media_type::Role;
use oci::image::{Descriptor, MAX_DOCUMENT};
use registry::{Access, Repository, Upload, Uploaded};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use types::{Digest, Timestamp};

/// Repositories that are asked for a blob before it is sent.
const MOUNTS: usize = 3;

impl Images {
    /// Sends an image to the registry of its name; without a tag, every tag of the name.
    pub async fn push(&self, push: Push, progress: Progress) -> Result<(), Error> {
        let name = push.reference.name();
        progress.status(format!("The push refers to repository [{name}]"));
        let transfers = self.transfers();
        let repository = transfers.registries.repository(
            &push.reference,
            push.credentials.clone(),
            Access::Push,
        )?;
        for reference in self.tags_to_push(&push.reference)? {
            let image = self.pushable(&reference, push.platform.as_ref())?;
            let (pushed, named) = (image.clone(), reference.clone());
            let pushing = Pushing {
                image,
                images: self.clone(),
                repository: repository.clone(),
                reference,
                progress: progress.clone(),
                places: Arc::new(Semaphore::new(transfers.at_once.sent)),
            };
            pushing.run().await?;
            self.tell_transfer("push", &pushed, &named);
        }
        Ok(())
    }

    /// The names that a push means.
    fn tags_to_push(&self, reference: &Reference) -> Result<Vec<Reference>, Error> {
        let missing = |text: String| Error::NothingToPush { reason: text };
        let tags = self.tags_of(reference)?;
        if tags.is_empty() {
            return Err(missing(format!(
                "An image does not exist locally with the tag: {}",
                reference.familiar_name()
            )));
        }
        match reference.tag() {
            None => Ok(tags),
            Some(_) if tags.contains(reference) => Ok(vec![reference.clone()]),
            Some(_) => Err(missing(format!(
                "tag does not exist: {}",
                reference.familiar()
            ))),
        }
    }

    fn pushable(&self, reference: &Reference, wanted: Option<&Platform>) -> Result<Image, Error> {
        let image = self.resolve(&reference.to_string())?;
        match wanted {
            Some(wanted) => matches(reference, wanted, &image.platform()).map(|()| image),
            None => Ok(image),
        }
    }

    /// Repositories of the reference's registry that were seen to have the blob.
    fn mounts(&self, reference: &Reference, blob: &Digest) -> Result<Vec<String>, Error> {
        let (all, records) = self.0.database.read::<_, Error>(|read| {
            let all = read.list::<NameRecord>()?;
            Ok((all, read.list::<ImageRecord>()?))
        })?;
        let has = |record: &ImageRecord| record.layers.iter().any(|l| l.blob.digest == *blob);
        let digests = records
            .iter()
            .filter(|(_, record)| has(record))
            .flat_map(|(_, record)| names(&record.id(), &all).digests);
        let mut found: Vec<String> = digests
            .filter(|other| other.domain() == reference.domain())
            .map(|other| other.path().to_owned())
            .filter(|path| path != reference.path())
            .collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(MOUNTS);
        Ok(found)
    }
}

/// One image on its way.
struct Pushing {
    images: Images,
    image: Image,
    repository: Repository,
    reference: Reference,
    progress: Progress,
    places: Arc<Semaphore>,
}

impl Pushing {
    async fn run(self) -> Result<(), Error> {
        let mut layers: Vec<LayerRecord> = self.image.parts.clone();
        layers.reverse();
        let mut seen = HashSet::new();
        layers.retain(|layer| seen.insert(layer.blob.digest.clone()));
        for layer in &layers {
            self.progress.layer(short(&layer.diff_id), "Preparing");
        }
        let mut tasks = JoinSet::new();
        for layer in layers {
            // Windows' base layers are Microsoft's alone to give.
            if Role::of(&layer.blob.media_type) == Some(Role::Foreign) {
                let id = short(&layer.diff_id);
                self.progress.layer(id, "Skipped foreign layer");
                continue;
            }
            tasks.spawn(self.layer(layer)?);
        }
        while let Some(sent) = tasks.join_next().await {
            joined(sent)?;
        }
        let config = self.open(&self.image.config_blob, Vec::new())?;
        self.repository.upload(&config, |_| {}).await?;
        self.manifest().await
    }

    /// Sends one layer, when its turn comes.
    fn layer(
        &self,
        layer: LayerRecord,
    ) -> Result<impl Future<Output = Result<(), Error>> + Send + use<>, Error> {
        let mounts = self.images.mounts(&self.reference, &layer.blob.digest)?;
        let upload = self.open(&layer.blob, mounts)?;
        let (repository, progress) = (self.repository.clone(), self.progress.clone());
        let places = Arc::clone(&self.places);
        Ok(async move {
            let id = short(&layer.diff_id).to_owned();
            if places.available_permits() == 0 {
                progress.layer(&id, "Waiting");
            }
            let _place = places.acquire().await;
            let total = upload.descriptor.size;
            let advance = |current| {
                progress.tell(Event::Advance {
                    id: id.clone(),
                    status: "Pushing",
                    current,
                    total,
                });
            };
            let status = match repository.upload(&upload, advance).await? {
                Uploaded::Already => "Layer already exists".to_owned(),
                Uploaded::Mounted(from) => format!("Mounted from {from}"),
                Uploaded::Sent => "Pushed".to_owned(),
            };
            progress.layer(&id, status);
            Ok(())
        })
    }

    fn open(&self, blob: &Descriptor, mounts: Vec<String>) -> Result<Upload, Error> {
        let file = self.images.0.content.file(&blob.digest);
        let file = file.map_err(Error::content(format!("read blob {}", blob.digest)))?;
        Ok(Upload {
            descriptor: blob.clone(),
            file: Arc::new(file),
            mounts,
        })
    }

    async fn manifest(&self) -> Result<(), Error> {
        let manifest = &self.image.manifest;
        let read = self.images.0.content.read(&manifest.digest, MAX_DOCUMENT);
        let bytes = read.map_err(Error::content(format!("read {}", manifest.digest)))?;
        let tag = self.reference.tag().unwrap_or_default();
        self.repository.put_manifest(tag, manifest, &bytes).await?;
        self.remember()?;
        let (digest, size) = (&manifest.digest, manifest.size);
        let status = format!("{tag}: digest: {digest} size: {size}");
        self.progress.status(status);
        self.progress.tell(Event::Pushed {
            tag: tag.to_owned(),
            digest: digest.clone(),
            size,
        });
        Ok(())
    }

    /// The image has its digest as a name from now on, unless it is gone.
    fn remember(&self) -> Result<(), Error> {
        let name = self.reference.with_digest(&self.image.manifest.digest);
        let image = self.image.id.clone();
        self.images.0.database.write::<_, Error>(|write| {
            if write.find::<ImageRecord>(&image.to_string())?.is_some() {
                let at = Timestamp::now();
                write.put(&key(&name), &NameRecord { image, at })?;
            }
            Ok(())
        })
    }
}
