//! Containers that use volumes: file systems are mounted for the first that runs, and taken away
//! after the last.

use crate::context::{Context, blocking};
use crate::{ContainerRecord, Error, Event, MountPoint, Removal, VolumeRecord};
use metadata::Batch;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use types::ContainerId;
use volume::{Leftover, Local, Name};

impl Context {
    /// Mounts what a container's volumes need, as it is about to run.
    pub(crate) async fn mount_volumes(
        self: &Arc<Self>,
        record: &ContainerRecord,
    ) -> Result<(), Error> {
        for point in record.mounts.iter().filter(|point| point.is_volume()) {
            let name = point.name.as_deref().unwrap_or_default();
            let volume = self.shelf.find(name)?;
            if let Some(local) = local(&volume)? {
                let mut mounted = self.shelf.mounted().await;
                let (context, at) = (Arc::clone(self), volume.name.clone());
                blocking(move || context.volumes.mount(&at, &local))
                    .await?
                    .map_err(Error::volume("mount", &volume.name))?;
                let users = mounted.entry(volume.name.clone()).or_default();
                users.insert(record.id.clone());
            }
        }
        Ok(())
    }

    /// What is told of a container's volumes, which are mounted or unmounted.
    pub(crate) fn mount_events(&self, record: &ContainerRecord, action: &str) -> Vec<Event> {
        let points = record.mounts.iter().filter(|point| point.is_volume());
        let event = |point: &MountPoint| {
            let volume = self.shelf.find(point.name.as_deref()?).ok()?;
            let container = ("container", record.id.to_string());
            Some(match action {
                "mount" => volume.event(
                    action,
                    [
                        container,
                        ("destination", point.target.clone()),
                        ("propagation", point.propagation.clone()),
                        ("read/write", point.writable.to_string()),
                    ],
                ),
                _ => volume.event(action, [container]),
            })
        };
        points.filter_map(event).collect()
    }

    /// Lets a container's volumes go, which does not run any more.
    pub(crate) async fn unmount_volumes(self: &Arc<Self>, record: &ContainerRecord) {
        for point in record.mounts.iter().filter(|point| point.is_volume()) {
            let name = point.name.as_deref().unwrap_or_default();
            let Ok(volume) = self.shelf.find(name) else {
                continue;
            };
            self.let_go(&volume, &record.id).await;
        }
    }

    async fn let_go(self: &Arc<Self>, volume: &VolumeRecord, id: &ContainerId) {
        let mut mounted = self.shelf.mounted().await;
        let Some(users) = mounted.get_mut(&volume.name) else {
            return;
        };
        users.remove(id);
        if !users.is_empty() {
            return;
        }
        mounted.remove(&volume.name);
        self.unmount_volume(&volume.name).await;
    }

    async fn unmount_volume(self: &Arc<Self>, name: &Name) {
        let (context, at) = (Arc::clone(self), name.clone());
        if let Ok(Err(error)) = blocking(move || context.volumes.unmount(&at)).await {
            tracing::warn!(volume.name = %name, %error, "cannot unmount a volume");
        }
    }

    /// Writes that the volumes without a name of a container outlive it; gives their records.
    pub(crate) fn release_anonymous(
        &self,
        record: &ContainerRecord,
        batch: &mut Batch,
    ) -> Result<Vec<Arc<VolumeRecord>>, Error> {
        let mut released = Vec::new();
        for point in record.mounts.iter().filter(|point| point.is_volume()) {
            let name = point.name.as_deref().unwrap_or_default();
            let Ok(volume) = self.shelf.find(name) else {
                continue;
            };
            // One whose owner has gone is there for the sake of this one.
            let owned =
                |owner: &ContainerId| *owner == record.id || self.index.find(owner).is_none();
            if volume.owner.as_ref().is_some_and(owned) {
                let volume = VolumeRecord {
                    owner: None,
                    ..(*volume).clone()
                };
                batch
                    .put(name, &volume)
                    .map_err(Error::store("record a removal"))?;
                released.push(Arc::new(volume));
            }
        }
        Ok(released)
    }

    /// Removes the volumes whose owner is not there, and that nobody else has: its making or its
    /// removal was interrupted.
    pub(crate) async fn sweep_volumes(self: &Arc<Self>) -> Result<(), Error> {
        for volume in self.shelf.all() {
            let gone = |owner: &ContainerId| self.index.find(owner).is_none();
            let stray = volume.owner.as_ref().is_some_and(gone);
            if stray && self.volume_users(&volume.name).is_empty() {
                self.remove_volume(&volume).await?;
            }
        }
        Ok(())
    }

    /// Removes the volumes without a name of a container that is gone, if its removal takes
    /// them along.
    pub(crate) async fn remove_anonymous(
        self: &Arc<Self>,
        record: &ContainerRecord,
        removal: Removal,
    ) {
        if !removal.volumes {
            return;
        }
        for point in record.mounts.iter().filter(|point| point.is_volume()) {
            let name = point.name.as_deref().unwrap_or_default();
            let Ok(volume) = self.shelf.find(name) else {
                continue;
            };
            if !volume.is_anonymous() {
                continue;
            }
            match self.remove_volume(&volume).await {
                // Another container has it from this one.
                Ok(()) | Err(Error::VolumeInUse { .. } | Error::NotFound(_)) => {}
                Err(error) => {
                    tracing::warn!(volume.name = name, %error, "cannot remove a volume");
                }
            }
        }
    }

    /// Reads the records, ends what an earlier daemon was interrupted in, and takes away what is
    /// mounted for containers that do not run any more.
    pub(crate) async fn settle_volumes(self: &Arc<Self>) -> Result<(), Error> {
        let listed = self.database.read(metadata::Read::list::<VolumeRecord>);
        for (_, record) in listed.map_err(Error::store("read the volumes"))? {
            self.shelf.put(Arc::new(record));
        }
        let context = Arc::clone(self);
        blocking(move || context.repair_volumes()).await??;
        let users = self.running_users();
        for volume in self.shelf.all() {
            if !users.contains_key(&volume.name) {
                self.unmount_volume(&volume.name).await;
            }
        }
        *self.shelf.mounted().await = users;
        Ok(())
    }

    fn repair_volumes(&self) -> Result<(), Error> {
        let failed = |source| Error::Volumes { source };
        for leftover in self.volumes.list().map_err(failed)? {
            let Leftover::Removed(name) = leftover else {
                continue;
            };
            // With a record, the removal was not promised to anybody.
            match self.shelf.find(name.as_str()) {
                Ok(_) => self.volumes.restore(&name).map_err(failed)?,
                Err(_) => self.volumes.discard(&name).map_err(failed)?,
            }
        }
        for volume in self.shelf.all() {
            self.volumes.make(&volume.name).map_err(failed)?;
        }
        Ok(())
    }

    fn running_users(&self) -> HashMap<Name, HashSet<ContainerId>> {
        let mut users: HashMap<Name, HashSet<ContainerId>> = HashMap::new();
        for container in self.index.snapshots() {
            if !container.state.status.is_live() {
                continue;
            }
            for point in container.record.mounts.iter().filter(|p| p.is_volume()) {
                let name = point.name.as_deref().unwrap_or_default();
                let Ok(volume) = self.shelf.find(name) else {
                    continue;
                };
                if matches!(local(&volume), Ok(Some(_))) {
                    let users = users.entry(volume.name.clone()).or_default();
                    users.insert(container.id().clone());
                }
            }
        }
        users
    }
}

/// What is mounted on a volume.
fn local(volume: &VolumeRecord) -> Result<Option<Local>, Error> {
    let options = volume.options.clone().unwrap_or_default();
    Local::parse(&options).map_err(Error::volume("mount", &volume.name))
}
