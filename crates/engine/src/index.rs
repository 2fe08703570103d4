//! All containers in memory: by id, by name.

use crate::owner::Handle;
use crate::{Container, Error};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use types::ContainerId;

#[derive(Debug, Default)]
struct Maps {
    containers: BTreeMap<ContainerId, Arc<Handle>>,
    names: HashMap<String, ContainerId>,
}

impl Maps {
    /// The container that another one links: `PARENT/ALIAS`.
    fn linked(&self, name: &str) -> Option<ContainerId> {
        let (parent, alias) = name.split_once('/')?;
        let parent = self.containers.get(self.names.get(parent)?)?.snapshot();
        let mut links = parent.record.spec.links.iter();
        let id = links
            .find(|link| link.alias == alias)?
            .container
            .parse()
            .ok()?;
        self.containers.contains_key(&id).then_some(id)
    }
}

/// All containers in memory. Its lock is held for map operations alone.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<Maps>);

impl Index {
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `name` for `id`, so that nobody else gets it.
    pub(crate) fn take_name(&self, name: &str, id: &ContainerId) -> Result<(), Error> {
        let mut maps = self.write();
        match maps.names.get(name) {
            Some(owner) if owner != id => Err(Error::NameInUse {
                name: name.to_owned(),
                id: owner.clone(),
            }),
            _ => {
                maps.names.insert(name.to_owned(), id.clone());
                Ok(())
            }
        }
    }

    /// Frees `name` if it is `id`'s.
    pub(crate) fn free_name(&self, name: &str, id: &ContainerId) {
        let mut maps = self.write();
        if maps.names.get(name) == Some(id) {
            maps.names.remove(name);
        }
    }

    /// Adds a container whose name was taken.
    pub(crate) fn insert(&self, handle: Arc<Handle>) {
        self.write().containers.insert(handle.id().clone(), handle);
    }

    /// Takes a container and its name away.
    pub(crate) fn remove(&self, id: &ContainerId) {
        let mut maps = self.write();
        maps.containers.remove(id);
        maps.names.retain(|_, owner| owner != id);
    }

    /// The container of exactly this id.
    pub(crate) fn find(&self, id: &ContainerId) -> Option<Arc<Handle>> {
        self.read().containers.get(id).cloned()
    }

    /// The container of exactly this id, or the error that there is none.
    pub(crate) fn container(&self, id: &ContainerId) -> Result<Arc<Handle>, Error> {
        self.find(id)
            .ok_or_else(|| Error::no_container(id.as_str()))
    }

    /// The container that a caller means: a whole id, a name, the start of an id.
    pub(crate) fn resolve(&self, name: &str) -> Result<ContainerId, Error> {
        let maps = self.read();
        let not_found = || Error::no_container(name);
        let bare = name.strip_prefix('/').unwrap_or(name);
        if let Ok(id) = name.parse::<ContainerId>()
            && maps.containers.contains_key(&id)
        {
            return Ok(id);
        }
        if let Some(id) = maps.names.get(bare)
            && maps.containers.contains_key(id)
        {
            return Ok(id.clone());
        }
        if let Some(id) = maps.linked(bare) {
            return Ok(id);
        }
        let prefix: ContainerId = name.parse().map_err(|_| not_found())?;
        let mut matching = maps
            .containers
            .range(prefix..)
            .map(|(id, _)| id)
            .take_while(|id| id.as_str().starts_with(name));
        match (matching.next(), matching.next()) {
            (Some(id), None) => Ok(id.clone()),
            (Some(_), Some(_)) => Err(Error::Ambiguous {
                prefix: name.to_owned(),
            }),
            (None, _) => Err(not_found()),
        }
    }

    /// Every container's snapshot, in the ids' order.
    pub(crate) fn snapshots(&self) -> Vec<Arc<Container>> {
        let maps = self.read();
        maps.containers
            .values()
            .map(|handle| handle.snapshot())
            .collect()
    }

    /// Every container.
    pub(crate) fn handles(&self) -> Vec<Arc<Handle>> {
        self.read().containers.values().cloned().collect()
    }
}
