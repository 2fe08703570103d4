//! The caller's side of documents: manifests, indexes and configurations, read by a worker.

use oci::image::{Config, Document};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};

use crate::error::{Error, Refusal};
use crate::job::{Answer, Unpack};
use crate::outcome::Outcome;

/// What is said of a document beside its bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Declared {
    pub(crate) media_type: Option<String>,
}

impl Unpack {
    /// Reads a manifest or an index. `declared` is the type that its sender or its descriptor
    /// gave it. Waits for the worker.
    ///
    /// # Errors
    /// [`Refusal::Document`] for what is neither, [`Refusal::Limit`] for what is too large.
    pub fn document(&self, declared: Option<&str>, bytes: &[u8]) -> Result<Document, Error> {
        let declared = Declared {
            media_type: declared.map(str::to_owned),
        };
        let order = serde_json::to_string(&declared).map_err(|error| self.failed(error.into()))?;
        self.read("document", bytes, Some(&order))
    }

    /// Reads an image's configuration. Waits for the worker.
    ///
    /// # Errors
    /// [`Refusal::Entry`] for what is none, [`Refusal::Limit`] for what is too large.
    pub fn config(&self, bytes: &[u8]) -> Result<Box<Config>, Error> {
        self.read("config", bytes, None)
    }

    fn read<T: Answer>(&self, mode: &str, bytes: &[u8], order: Option<&str>) -> Result<T, Error> {
        let failed = |error| self.failed(error);
        let nothing = File::options().write(true).open("/dev/null");
        let (theirs, mut ours) = io::pipe().map_err(failed)?;
        let job = self.start(mode, theirs.into(), nothing.map_err(failed)?.into(), order)?;
        // A worker that does not read to the end says why.
        drop(ours.write_all(bytes));
        drop(ours);
        job.wait()
    }
}

impl Answer for Document {
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>> {
        match outcome {
            Outcome::Document(document) => Some(Ok(document)),
            Outcome::Failed(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }
}

impl Answer for Box<Config> {
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>> {
        match outcome {
            Outcome::Config(config) => Some(Ok(config)),
            Outcome::Failed(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }
}
