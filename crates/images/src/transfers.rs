//! How images are fetched and sent, which the daemon may be told anew while it runs.

use crate::{Images, Settings};
use registry::Registries;
use std::sync::{Arc, PoisonError};
use tokio::sync::Semaphore;
use unpack::Unpack;

/// Layers that are fetched at once, over all pulls.
const FETCHED: usize = 4;
/// Blobs that are sent at once, as many as Docker sends.
const SENT: usize = 5;

/// How many layers are fetched, and sent, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Layers that are fetched, over all pulls.
    pub fetched: usize,
    /// Blobs that are sent, by each push.
    pub sent: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self {
            fetched: FETCHED,
            sent: SENT,
        }
    }
}

/// How images are fetched and sent. What has begun goes on as it began.
#[derive(Clone, Debug)]
pub(crate) struct Transfers {
    pub(crate) registries: Registries,
    /// Turns of those who fetch.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) at_once: AtOnce,
    settings: Settings,
}

impl Transfers {
    pub(crate) fn new(settings: Settings, at_once: AtOnce, worker: Unpack) -> Self {
        Self {
            registries: Registries::new(settings.clone(), worker),
            places: Arc::new(Semaphore::new(at_once.fetched)),
            at_once,
            settings,
        }
    }
}

impl Images {
    /// From now on registries are spoken to like this, and so many layers go at once.
    pub fn set_transfers(&self, settings: &Settings, at_once: AtOnce) {
        let held = &self.0.transfers;
        let mut transfers = held.write().unwrap_or_else(PoisonError::into_inner);
        if transfers.settings == *settings && transfers.at_once == at_once {
            // Connections are kept.
            return;
        }
        *transfers = Transfers::new(settings.clone(), at_once, self.0.worker.clone());
    }

    pub(crate) fn transfers(&self) -> Transfers {
        let held = self.0.transfers.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
