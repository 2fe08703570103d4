//! What is stored about images.

use crate::{Config, Reference};
use metadata::Record;
use oci::image::Descriptor;
use serde::{Deserialize, Serialize};
use types::{Digest, Timestamp};

/// An image, under its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// The configuration's blob.
    pub(crate) config_blob: Descriptor,
    /// The manifest's blob.
    pub(crate) manifest: Descriptor,
    /// The configuration, parsed.
    pub(crate) config: Config,
    /// The layers, the lowest first.
    pub(crate) layers: Vec<LayerRecord>,
    /// When it came here.
    pub(crate) added: Timestamp,
    /// The image that it was made of here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Digest>,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The digest of its archive.
    pub(crate) diff_id: Digest,
    /// Bytes of its archive.
    pub(crate) diff_size: u64,
    /// Bytes of its unpacked form on disk.
    pub(crate) written: u64,
    /// The blob that it came as, kept as it was for pushing.
    pub(crate) blob: Descriptor,
}

/// A name of an image, under the reference in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NameRecord {
    /// The image's id.
    pub(crate) image: Digest,
    /// Since when.
    pub(crate) at: Timestamp,
}

/// An operation that has begun and has not ended: what it may leave behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperationRecord {
    /// `pull`, `load`, `import`.
    pub(crate) verb: String,
    /// On what.
    pub(crate) subject: String,
    /// Since when.
    pub(crate) at: Timestamp,
    /// The blobs that it makes.
    pub(crate) blobs: Vec<Digest>,
    /// The layers that it makes.
    pub(crate) layers: Vec<Digest>,
    /// Its unfinished files, by the keys of their ingests.
    pub(crate) ingests: Vec<String>,
}

impl Record for ImageRecord {
    const TABLE: &'static str = "images";
    const VERSION: u16 = 1;
}

impl Record for NameRecord {
    const TABLE: &'static str = "image-names";
    const VERSION: u16 = 1;
}

impl Record for OperationRecord {
    const TABLE: &'static str = "image-operations";
    const VERSION: u16 = 1;
}

impl ImageRecord {
    /// The image's id.
    pub(crate) fn id(&self) -> Digest {
        self.config_blob.digest.clone()
    }

    /// Every blob that it refers to.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let layers = self.layers.iter().map(|layer| &layer.blob);
        [&self.config_blob, &self.manifest]
            .into_iter()
            .chain(layers)
    }

    /// Bytes of everything that it refers to, each once.
    pub(crate) fn size(&self) -> u64 {
        let mut seen = std::collections::HashSet::new();
        let blobs = self.blobs().map(|blob| (&blob.digest, 0, blob.size));
        let layers = self.layers.iter().map(|l| (&l.diff_id, 1, l.written));
        let parts: Vec<_> = blobs.chain(layers).collect();
        let once =
            |(digest, form, size): &(_, i32, u64)| seen.insert((*digest, *form)).then_some(*size);
        parts.iter().filter_map(once).sum()
    }
}

/// The key of a name; a digest goes without the tag, as in Docker's store.
pub(crate) fn key(reference: &Reference) -> String {
    match reference.digest() {
        Some(digest) => reference.with_digest(digest).to_string(),
        None => reference.clone().or_latest().to_string(),
    }
}
