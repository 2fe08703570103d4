//! The service: what is open, and the operations that need no worker.

use crate::facts::{Facts, Turns};
use crate::holds::Holds;
use crate::image::Names;
use crate::records::{ImageRecord, NameRecord, OperationRecord, key};
use crate::transfers::Transfers;
use crate::watch::Watcher;
use crate::{AtOnce, Error, Image, Reference, Settings, Steps, Users};
use metadata::Database;
use snapshot::{Layers, Snapshotter};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use types::{Digest, Paths, Rootfs, Timestamp};
use unpack::Unpack;

/// What a store of images is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The executable `corten-unpack`.
    pub unpack: PathBuf,
    /// The executable that the built-in image `corten/hello` is made of.
    pub hello: Option<PathBuf>,
    /// How new layers are kept; without it, the best that works is found out.
    pub snapshotter: Option<Snapshotter>,
    /// How registries are spoken to.
    pub registries: Settings,
    /// Layers that are fetched, and sent, at once.
    pub at_once: AtOnce,
    /// Who else needs images.
    pub users: Arc<dyn Users>,
    /// Who hears of the steps of operations.
    pub steps: Steps,
}

/// The images of a daemon. Cloned freely.
#[derive(Clone, Debug)]
pub struct Images(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) database: Arc<Database>,
    pub(crate) content: content::Store,
    pub(crate) layers: Layers,
    pub(crate) worker: Unpack,
    pub(crate) holds: Holds,
    pub(crate) facts: Facts,
    /// One pull or load at a time makes a layer.
    pub(crate) turns: Turns,
    pub(crate) transfers: RwLock<Transfers>,
    /// One caller at a time makes the built-in image.
    pub(crate) builtin: Mutex<()>,
    pub(crate) options: Options,
    pub(crate) watcher: Watcher,
}

impl Images {
    /// Opens the images under `paths`, undoes what a crash interrupted, and removes what
    /// nothing refers to.
    pub fn open(paths: &Paths, database: Arc<Database>, options: Options) -> Result<Self, Error> {
        let content = content::Store::open(&paths.content())
            .map_err(Error::content("open the store of blobs"))?;
        let layers =
            Layers::open(paths, options.snapshotter).map_err(Error::snapshot("open layers"))?;
        let worker = Unpack::new(&options.unpack);
        let images = Self(Arc::new(Inner {
            database,
            content,
            layers,
            worker: worker.clone(),
            holds: Holds::default(),
            facts: Facts::default(),
            turns: Turns::default(),
            transfers: RwLock::new(Transfers::new(
                options.registries.clone(),
                options.at_once,
                worker,
            )),
            builtin: Mutex::new(()),
            options,
            watcher: Watcher::default(),
        }));
        images.undo_interrupted()?;
        images.collect()?;
        Ok(images)
    }

    /// The image that `name` means: a reference (`latest` if it says neither tag nor digest),
    /// an id, or the beginning of one. The built-in image is made when it is first asked for.
    pub fn resolve(&self, name: &str) -> Result<Image, Error> {
        match self.find(name) {
            Err(Error::NotFound { .. }) if self.is_builtin(name) => {
                self.make_builtin()?;
                self.find(name)
            }
            found => found,
        }
    }

    pub(crate) fn find(&self, name: &str) -> Result<Image, Error> {
        let mut frozen = self.0.holds.freeze();
        self.0.database.read(|read| {
            let id = self.id_of(read, name)?;
            let record = read.find::<ImageRecord>(&id.to_string())?;
            let record = record.ok_or_else(|| not_found(name))?;
            let names = names(&id, &read.list::<NameRecord>()?);
            let hold = frozen.hold(&self.0.holds, parts(&record));
            Ok(self.image(record, names, hold))
        })
    }

    /// How layers are kept, and roots are made.
    pub fn snapshotter(&self) -> Snapshotter {
        self.0.layers.snapshotter()
    }

    /// Mounts of a root's topmost layers, in their order, shared by all who ask.
    pub fn layer_mounts(&self, rootfs: &Rootfs) -> Vec<Arc<OwnedFd>> {
        match rootfs {
            Rootfs::Layers { lower, .. } => self.0.layers.mounts(lower),
            Rootfs::Directory(_) | Rootfs::Shifted(_) => Vec::new(),
        }
    }

    /// Every image, the newest first.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let mut frozen = self.0.holds.freeze();
        let mut images = self.0.database.read::<_, Error>(|read| {
            let all = read.list::<NameRecord>()?;
            let records = read.list::<ImageRecord>()?;
            let image = |(_, record): (String, ImageRecord)| {
                let names = names(&record.id(), &all);
                let hold = frozen.hold(&self.0.holds, parts(&record));
                self.image(record, names, hold)
            };
            Ok(records.into_iter().map(image).collect::<Vec<_>>())
        })?;
        images.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(images)
    }

    /// Gives the image that `name` means another name, taken from whatever had it.
    pub fn tag(&self, name: &str, reference: &Reference) -> Result<Digest, Error> {
        if reference.digest().is_some() {
            return Err(Error::Invalid {
                reason: "refusing to create a tag with a digest reference".to_owned(),
            });
        }
        let image = self.resolve(name)?;
        let named = NameRecord {
            image: image.id.clone(),
            at: Timestamp::now(),
        };
        self.0.database.write::<_, Error>(|write| {
            let there = write.find::<ImageRecord>(&image.id.to_string())?;
            there.ok_or_else(|| not_found(name))?;
            Ok(write.put(&key(reference), &named)?)
        })?;
        self.tell_tag(&image, reference);
        Ok(image.id)
    }

    /// The names of the reference's repository that have tags.
    pub(crate) fn tags_of(&self, reference: &Reference) -> Result<Vec<Reference>, Error> {
        let all = self.0.database.read(metadata::Read::list::<NameRecord>)?;
        let parsed = all.iter().filter_map(|(name, _)| name.parse().ok());
        let same = |known: &Reference| {
            known.name() == reference.name() && known.tag().is_some() && known.digest().is_none()
        };
        Ok(parsed.filter(same).collect())
    }

    /// The operations that have begun and not ended, for diagnosis.
    pub fn operations(&self) -> Result<Vec<String>, Error> {
        let listed = self
            .0
            .database
            .read(metadata::Read::list::<OperationRecord>)?;
        let line = |(_, operation): (_, OperationRecord)| {
            format!(
                "{} {} since {}",
                operation.verb, operation.subject, operation.at
            )
        };
        Ok(listed.into_iter().map(line).collect())
    }

    pub(crate) fn id_of(&self, read: &metadata::Read, name: &str) -> Result<Digest, Error> {
        let by_id = |digest: Digest| -> Result<Option<Digest>, Error> {
            let found = read.find::<ImageRecord>(&digest.to_string())?;
            Ok(found.map(|_| digest))
        };
        let whole = name.parse().or_else(|_| format!("sha256:{name}").parse());
        if let Ok(digest) = whole {
            return by_id(digest)?.ok_or_else(|| not_found(name));
        }
        let reference: Option<Reference> = name.parse().ok();
        if let Some(reference) = &reference
            && let Some(named) = read.find::<NameRecord>(&key(reference))?
        {
            return Ok(named.image);
        }
        match by_prefix(read, name)? {
            Some(id) => Ok(id),
            None if reference.is_some() => Err(not_found(name)),
            None => Err(name
                .parse::<Reference>()
                .map_or_else(Error::from, |_| not_found(name))),
        }
    }

    pub(crate) fn image(
        &self,
        record: ImageRecord,
        names: Names,
        hold: crate::holds::Hold,
    ) -> Image {
        let layer = |layer: &crate::records::LayerRecord| self.0.layers.layer(&layer.diff_id);
        let layers = record.layers.iter().rev().map(layer).collect();
        Image::of(record, names, layers, hold)
    }
}

/// The only image whose id begins so.
fn by_prefix(read: &metadata::Read, name: &str) -> Result<Option<Digest>, Error> {
    let prefix = name.strip_prefix("sha256:").unwrap_or(name);
    if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let records = read.list::<ImageRecord>()?;
    let ids = records.iter().map(|(_, record)| &record.config_blob.digest);
    let mut matching = ids.filter(|id| id.hex().starts_with(prefix));
    Ok(match (matching.next(), matching.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    })
}

pub(crate) fn not_found(name: &str) -> Error {
    let shown = match name.parse::<Reference>() {
        Ok(reference) => reference.or_latest().familiar(),
        Err(_) => name.to_owned(),
    };
    Error::NotFound { name: shown }
}

pub(crate) fn names(id: &Digest, all: &[(String, NameRecord)]) -> Names {
    let mut names = Names::default();
    for (name, record) in all.iter().filter(|(_, record)| record.image == *id) {
        let Ok(reference) = name.parse::<Reference>() else {
            continue; // Cannot be: keys are made of references.
        };
        match reference.digest() {
            Some(_) => names.digests.push(reference),
            None => names.tags.push(reference),
        }
        names.last = names.last.max(Some(record.at));
    }
    names
}

/// Everything on disk that a record refers to.
pub(crate) fn parts(record: &ImageRecord) -> Vec<Digest> {
    let layers = record.layers.iter().map(|layer| layer.diff_id.clone());
    let blobs = record.blobs().map(|blob| blob.digest.clone());
    layers.chain(blobs).collect()
}
