//! An image as callers see it.

use crate::holds::Hold;
use crate::records::{ImageRecord, LayerRecord};
use crate::{Config, Platform, Reference};
use oci::image::Descriptor;
use std::sync::Arc;
use types::{Digest, Layer, Timestamp};

/// An image. As long as the value lives, its layers and blobs stay on disk.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of its configuration.
    pub id: Digest,
    /// Its names with tags.
    pub references: Vec<Reference>,
    /// Its names with digests: `RepoDigests`.
    pub digests: Vec<Reference>,
    /// Its configuration.
    pub config: Arc<Config>,
    /// Its layers, the topmost first, ready to be mounted.
    pub layers: Vec<Layer>,
    /// The manifest that it came with or was made with.
    pub manifest: Descriptor,
    /// Bytes that its layers and blobs take on disk.
    pub size: u64,
    /// When it was made, if its configuration says so.
    pub created: Option<Timestamp>,
    /// The image that it was made of here.
    pub parent: Option<Digest>,
    /// When it was last given a name here.
    pub tagged: Option<Timestamp>,
    /// By diff id, the lowest first.
    pub(crate) parts: Vec<LayerRecord>,
    pub(crate) config_blob: Descriptor,
    pub(crate) _hold: Arc<Hold>,
}

/// One line of an image's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image, for the newest entry.
    pub id: Option<Digest>,
    /// When it came about.
    pub created: Option<Timestamp>,
    /// By which instruction.
    pub created_by: String,
    /// The image's tags, for the newest entry.
    pub tags: Vec<String>,
    /// Bytes of the layer's archive; 0 if it made no layer.
    pub size: u64,
    /// A message.
    pub comment: String,
}

impl Image {
    /// How it came about, the newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        let mut sizes = self.parts.iter().map(|part| part.diff_size);
        let mut entries: Vec<HistoryEntry> = self
            .config
            .history
            .iter()
            .map(|entry| HistoryEntry {
                id: None,
                created: entry.created.as_deref().and_then(time),
                created_by: entry.created_by.clone().unwrap_or_default(),
                tags: Vec::new(),
                size: match entry.empty_layer {
                    true => 0,
                    false => sizes.next().unwrap_or_default(),
                },
                comment: entry.comment.clone().unwrap_or_default(),
            })
            .collect();
        entries.reverse();
        if let Some(newest) = entries.first_mut() {
            newest.id = Some(self.id.clone());
            newest.tags = self.references.iter().map(Reference::familiar).collect();
        }
        entries
    }

    /// What it is for.
    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// Whether it is for `wanted`.
    pub fn suits(&self, wanted: &Platform) -> bool {
        wanted.rank(&self.platform()).is_some()
    }

    /// The digests of the layers' archives, the lowest first.
    pub fn diff_ids(&self) -> impl Iterator<Item = &Digest> {
        self.parts.iter().map(|part| &part.diff_id)
    }

    pub(crate) fn of(record: ImageRecord, names: Names, layers: Vec<Layer>, hold: Hold) -> Self {
        Self {
            id: record.id(),
            references: names.tags,
            digests: names.digests,
            created: record.config.created.as_deref().and_then(time),
            size: record.size(),
            config: Arc::new(record.config),
            config_blob: record.config_blob,
            layers,
            manifest: record.manifest,
            tagged: names.last,
            parent: record.parent,
            parts: record.layers,
            _hold: Arc::new(hold),
        }
    }
}

/// An image's names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) tags: Vec<Reference>,
    pub(crate) digests: Vec<Reference>,
    pub(crate) last: Option<Timestamp>,
}

/// RFC 3339 to a timestamp; Docker's zero time, before 1970, is none.
fn time(text: &str) -> Option<Timestamp> {
    let parsed: jiff::Timestamp = text.parse().ok()?;
    let nanos = u64::try_from(parsed.as_nanosecond()).ok()?;
    Some(Timestamp::from_nanos(nanos))
}
