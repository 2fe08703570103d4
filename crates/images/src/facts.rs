//! What is known of layers beyond their presence, and turns in which they are made.

use crate::records::{ImageRecord, LayerRecord};
use crate::{Error, Images};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;
use types::Digest;

type Turn = tokio::sync::Mutex<()>;

/// Layers that were made since the start, by the digests of their archives.
#[derive(Debug, Default)]
pub(crate) struct Facts(Mutex<HashMap<Digest, LayerRecord>>);

/// One at a time makes a layer or blob; the others find it made.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Digest, Weak<Turn>>>);

impl Facts {
    pub(crate) fn learn(&self, layer: &LayerRecord) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(layer.diff_id.clone(), layer.clone());
    }

    fn find(&self, diff_id: &Digest) -> Option<LayerRecord> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(diff_id).cloned()
    }
}

impl Turns {
    pub(crate) async fn take(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let found = turns.get(digest).and_then(Weak::upgrade);
            found.unwrap_or_else(|| {
                let turn = Arc::new(Turn::default());
                turns.insert(digest.clone(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

impl Images {
    /// The layer as it is on disk and was described when it was made, if it is here.
    pub(crate) fn find_layer(&self, diff_id: &Digest) -> Result<Option<LayerRecord>, Error> {
        if self.0.layers.find(diff_id).is_none() {
            return Ok(None);
        }
        if let Some(known) = self.0.facts.find(diff_id) {
            return Ok(Some(known));
        }
        let records = self.0.database.read(metadata::Read::list::<ImageRecord>)?;
        let mut layers = records.into_iter().flat_map(|(_, record)| record.layers);
        let found = layers.find(|layer| layer.diff_id == *diff_id);
        if let Some(found) = &found {
            self.0.facts.learn(found);
        }
        Ok(found)
    }
}
