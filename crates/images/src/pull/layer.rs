//! One layer of a pull: found here, or fetched and unpacked as it comes.

use crate::error::short;
use crate::intake::{Expected, Intake, unpack_stored};
use crate::operation::Operation;
use crate::progress::Event;
use crate::records::LayerRecord;
use crate::{Error, Progress};
use oci::image::Descriptor;
use registry::Repository;
use std::sync::Arc;
use types::Digest;

/// Bytes between two words about how far a transfer is.
const STEP: u64 = 512 << 10;

/// One layer to be fetched.
pub(super) struct Fetching {
    pub(super) operation: Arc<Operation>,
    pub(super) repository: Repository,
    pub(super) blob: Descriptor,
    pub(super) diff_id: Digest,
    pub(super) progress: Progress,
}

/// What of the layer is here.
enum Here {
    All(Box<LayerRecord>),
    Blob,
    Nothing,
}

impl Here {
    fn look(operation: &Operation, blob: &Descriptor, diff_id: &Digest) -> Result<Self, Error> {
        let stored = operation.images.0.content.find(&blob.digest);
        let stored = stored.map_err(Error::content("look for a blob"))?;
        if stored.is_none() {
            return Ok(Self::Nothing);
        }
        let found = operation.images.find_layer(diff_id)?;
        let blob = blob.clone();
        let all = |layer| Self::All(Box::new(LayerRecord { blob, ..layer }));
        Ok(found.map_or(Self::Blob, all))
    }
}

/// Whether nothing of the layer is to be fetched or unpacked.
pub(super) fn is_here(
    operation: &Operation,
    blob: &Descriptor,
    diff_id: &Digest,
) -> Result<bool, Error> {
    let here = Here::look(operation, blob, diff_id)?;
    Ok(matches!(here, Here::All(_)))
}

impl Fetching {
    pub(super) async fn run(self) -> Result<LayerRecord, Error> {
        let inner = Arc::clone(&self.operation.images.0);
        let id = short(&self.blob.digest).to_owned();
        // The turn before the place: who has a place never waits for a turn.
        let _turn = inner.turns.take(&self.diff_id).await;
        match self.look().await? {
            Here::All(layer) => {
                self.progress.layer(&id, "Already exists");
                return Ok(*layer);
            }
            Here::Blob => {
                self.progress.layer(&id, "Download complete");
                let layer = self.unpack().await?;
                self.progress.layer(&id, "Pull complete");
                return Ok(layer);
            }
            Here::Nothing => {}
        }
        let places = self.operation.images.transfers().places;
        if places.available_permits() == 0 {
            self.progress.layer(&id, "Waiting");
        }
        let _place = places.acquire().await;
        let layer = self.fetch(&id).await?;
        self.progress.layer(&id, "Pull complete");
        Ok(layer)
    }

    async fn look(&self) -> Result<Here, Error> {
        let (blob, diff_id) = (self.blob.clone(), self.diff_id.clone());
        let look = move |operation: &Arc<Operation>| Here::look(operation, &blob, &diff_id);
        self.operation.blocking(look).await
    }

    async fn unpack(&self) -> Result<LayerRecord, Error> {
        let (blob, diff_id) = (self.blob.clone(), self.diff_id.clone());
        let unpack =
            move |operation: &Arc<Operation>| unpack_stored(operation, &blob, Some(&diff_id));
        self.operation.blocking(unpack).await
    }

    async fn fetch(&self, id: &str) -> Result<LayerRecord, Error> {
        let expected = Expected {
            blob: Some(self.blob.clone()),
            diff_id: Some(self.diff_id.clone()),
        };
        let begin = move |operation: &Arc<Operation>| Intake::begin(operation, expected);
        let intake = self.operation.blocking(begin).await?;
        let mut download = self.repository.blob(&self.blob, intake.offset);
        let mut told = 0;
        while let Some(chunk) = download.chunk().await? {
            if !intake.give(chunk).await {
                break; // Refused: the intake's end says why.
            }
            if download.at() >= told + STEP {
                told = download.at();
                self.advance(id, "Downloading", told);
            }
        }
        self.progress.layer(id, "Verifying Checksum");
        self.progress.layer(id, "Download complete");
        self.advance(id, "Extracting", self.blob.size);
        intake.end().await
    }

    fn advance(&self, id: &str, status: &'static str, current: u64) {
        self.progress.tell(Event::Advance {
            id: id.to_owned(),
            status,
            current,
            total: self.blob.size,
        });
    }
}
