//! All volumes in memory, who holds them, and what is mounted on them.

use crate::{Error, VolumeRecord};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::{ContainerId, Resource};
use volume::Name;

/// All volumes in memory, who holds them, and what is mounted on them.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    inner: Arc<Mutex<Inner>>,
    /// Volumes are made and removed one after the other.
    changing: tokio::sync::Mutex<()>,
    /// Running containers by the volume whose file system they need mounted.
    mounted: tokio::sync::Mutex<HashMap<Name, HashSet<ContainerId>>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<Name, Arc<VolumeRecord>>,
    held: HashMap<Name, usize>,
}

/// Keeps a volume from being removed.
#[derive(Debug)]
pub(crate) struct Hold {
    inner: Arc<Mutex<Inner>>,
    name: Name,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut inner = lock(&self.inner);
        if let Some(count) = inner.held.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                inner.held.remove(&self.name);
            }
        }
    }
}

impl Shelf {
    pub(crate) fn find(&self, name: &str) -> Result<Arc<VolumeRecord>, Error> {
        let absent = || {
            Error::NotFound(Resource {
                kind: "volume",
                name: name.to_owned(),
            })
        };
        let parsed: Name = name.parse().map_err(|_| absent())?;
        let inner = lock(&self.inner);
        inner.records.get(&parsed).cloned().ok_or_else(absent)
    }

    pub(crate) fn all(&self) -> Vec<Arc<VolumeRecord>> {
        lock(&self.inner).records.values().cloned().collect()
    }

    pub(crate) fn put(&self, record: Arc<VolumeRecord>) {
        let mut inner = lock(&self.inner);
        inner.records.insert(record.name.clone(), record);
    }

    pub(crate) fn take(&self, name: &Name) {
        lock(&self.inner).records.remove(name);
    }

    pub(crate) fn hold(&self, name: &Name) -> Hold {
        let mut inner = lock(&self.inner);
        *inner.held.entry(name.clone()).or_default() += 1;
        Hold {
            inner: Arc::clone(&self.inner),
            name: name.clone(),
        }
    }

    pub(crate) fn is_held(&self, name: &Name) -> bool {
        lock(&self.inner).held.contains_key(name)
    }

    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    pub(crate) async fn mounted(
        &self,
    ) -> tokio::sync::MutexGuard<'_, HashMap<Name, HashSet<ContainerId>>> {
        self.mounted.lock().await
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}
