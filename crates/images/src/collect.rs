//! What nobody needs any more, and what everything takes.

use crate::images::parts;
use crate::records::{ImageRecord, OperationRecord};
use crate::requests::{ImageUsage, Usage};
use crate::{Error, Images};
use metadata::Database;
use std::collections::{HashMap, HashSet};
use types::{Digest, Layer};

/// What a collection removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Layers, by the digests of their archives.
    pub layers: Vec<Digest>,
    /// Blobs.
    pub blobs: Vec<Digest>,
    /// Blobs that were never complete, by their keys.
    pub ingests: Vec<String>,
    /// Bytes of disk that are free again.
    pub bytes: u64,
}

impl Images {
    /// Removes the blobs and layers that no image, container or operation needs, and the
    /// unfinished files that nobody writes.
    pub fn collect(&self) -> Result<Collected, Error> {
        let inner = &*self.0;
        let used: HashSet<Layer> = inner.options.users.layers().into_iter().collect();
        // Nobody begins to need anything between the look at the records and the removal.
        let frozen = inner.holds.freeze();
        let needed = needed(&inner.database)?;
        let idle = |digest: &Digest| !needed.contains(digest) && !frozen.has(digest);
        let mut collected = Collected::default();
        let layers = inner
            .layers
            .list()
            .map_err(Error::snapshot("list layers"))?;
        for layer in layers.into_iter().filter(|layer| idle(layer)) {
            if used.contains(&inner.layers.layer(&layer)) {
                continue;
            }
            let failed = || Error::snapshot(format!("remove layer {layer}"));
            collected.bytes += inner.layers.size(&layer).map_err(failed())?;
            inner.layers.remove(&layer).map_err(failed())?;
            inner.options.steps.reached("layer removed");
            collected.layers.push(layer);
        }
        let blobs = inner.content.list().map_err(Error::content("list blobs"))?;
        for blob in blobs.into_iter().filter(|blob| idle(&blob.digest)) {
            let failed = Error::content(format!("remove blob {}", blob.digest));
            inner.content.delete(&blob.digest).map_err(failed)?;
            collected.bytes += blob.allocated;
            inner.options.steps.reached("blob removed");
            collected.blobs.push(blob.digest);
        }
        let partials = inner.content.partials();
        for partial in partials.map_err(Error::content("list unfinished blobs"))? {
            // An operation that goes on holds what it fetches under the blob's own name.
            let held = partial.key.parse().is_ok_and(|digest| !idle(&digest));
            if partial.active || held {
                continue;
            }
            let failed = Error::content(format!("remove unfinished {}", partial.key));
            inner.content.abort(&partial.key).map_err(failed)?;
            collected.bytes += partial.allocated;
            collected.ingests.push(partial.key);
        }
        Ok(collected)
    }

    /// What images take on disk.
    pub fn usage(&self) -> Result<Usage, Error> {
        let records = self.0.database.read(metadata::Read::list::<ImageRecord>)?;
        let sizes = self.sizes()?;
        let mut counts: HashMap<Part, usize> = HashMap::new();
        let parts: Vec<HashSet<Part>> = records.iter().map(|(_, record)| of(record)).collect();
        for part in parts.iter().flatten() {
            *counts.entry(part.clone()).or_default() += 1;
        }
        let size = |part: &Part| sizes.get(part).copied().unwrap_or_default();
        let images = records
            .iter()
            .zip(&parts)
            .map(|((_, record), parts)| ImageUsage {
                id: record.id(),
                size: parts.iter().map(size).sum(),
                shared: parts
                    .iter()
                    .filter(|part| counts[*part] > 1)
                    .map(size)
                    .sum(),
            });
        Ok(Usage {
            total: sizes.values().sum(),
            referenced: counts.keys().map(size).sum(),
            images: images.collect(),
        })
    }

    /// Bytes on disk of everything in the two directories.
    fn sizes(&self) -> Result<HashMap<Part, u64>, Error> {
        let mut sizes = HashMap::new();
        let blobs = self
            .0
            .content
            .list()
            .map_err(Error::content("list blobs"))?;
        sizes.extend(
            blobs
                .into_iter()
                .map(|b| (Part::Blob(b.digest), b.allocated)),
        );
        let partials = self.0.content.partials();
        for partial in partials.map_err(Error::content("list unfinished blobs"))? {
            sizes.insert(Part::Unfinished(partial.key), partial.allocated);
        }
        let layers = self.0.layers.list();
        for layer in layers.map_err(Error::snapshot("list layers"))? {
            let size = self.0.layers.size(&layer);
            let size = size.map_err(Error::snapshot(format!("measure layer {layer}")))?;
            sizes.insert(Part::Layer(layer), size);
        }
        Ok(sizes)
    }

    /// Ends the operations that a crash interrupted: what they made is not referred to, and
    /// goes with the collection that follows.
    pub(crate) fn undo_interrupted(&self) -> Result<(), Error> {
        let list = self
            .0
            .database
            .read(metadata::Read::list::<OperationRecord>)?;
        if list.is_empty() {
            return Ok(());
        }
        self.0.database.write::<_, Error>(|write| {
            for (key, _) in &list {
                write.remove::<OperationRecord>(key)?;
            }
            Ok(())
        })
    }
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Blob(Digest),
    Layer(Digest),
    Unfinished(String),
}

fn of(record: &ImageRecord) -> HashSet<Part> {
    let layers = record.layers.iter().map(|l| Part::Layer(l.diff_id.clone()));
    let blobs = record.blobs().map(|b| Part::Blob(b.digest.clone()));
    layers.chain(blobs).collect()
}

fn needed(database: &Database) -> Result<HashSet<Digest>, Error> {
    let records = database.read(metadata::Read::list::<ImageRecord>)?;
    Ok(records
        .iter()
        .flat_map(|(_, record)| parts(record))
        .collect())
}
