//! Making a container.

use super::Containers;
use crate::events::Durable;
use crate::owner::Handle;
use crate::{
    BlockDevices, Container, ContainerRecord, ContainerSpec, ContainerState, Error, MountPoint,
    ResourceSpec, RestartPolicy,
};
use metadata::Batch;
use std::sync::Arc;
use types::{ContainerId, Rootfs, Timestamp};

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What was asked for and will not be so.
    pub warnings: Vec<String>,
}

/// What is to change of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// New limits: those that are given; the others stay.
    pub resources: ResourceSpec,
    /// New limits of block devices.
    pub block_devices: BlockDevices,
    /// A new restart policy.
    pub restart: Option<RestartPolicy>,
}

impl Containers {
    /// Makes a container, under a generated name if none is given.
    ///
    /// # Errors
    /// [`Error::NameInUse`]; [`Error::Image`] of kind `NotFound` if there is no such image;
    /// [`Error::Invalid`] and [`Error::Unsupported`] name the field.
    pub async fn create(&self, name: Option<&str>, spec: ContainerSpec) -> Result<Created, Error> {
        let name = name
            .map(|name| crate::names::check(name).map(str::to_owned))
            .transpose()?;
        let containers = self.clone();
        // A caller who goes away must not leave half a container.
        let task = self
            .context
            .tracker
            .spawn(async move { containers.make(name, spec).await });
        task.await.map_err(|_| Error::Stopping)?
    }

    async fn make(&self, name: Option<String>, spec: ContainerSpec) -> Result<Created, Error> {
        let image = self.context.image(&spec.image).await?;
        let (spec, warnings) = crate::admission::admit(spec, &image, &self.context)?;
        let reserved = self.context.tasks.reserve();
        let ahead = reserved.is_some();
        let id = match reserved {
            Some(id) => id,
            None => ContainerId::from_random(random()?),
        };
        let name = match self.take_name(name, &id) {
            Ok(name) => name,
            Err(error) => {
                self.context.discard(&id).await;
                return Err(error);
            }
        };
        let made = self.record((&id, ahead), &name, spec, image).await;
        match made {
            Ok(()) => Ok(Created { id, warnings }),
            Err(error) => {
                self.context.index.free_name(&name, &id);
                self.context.discard(&id).await;
                Err(error)
            }
        }
    }

    /// Makes the writable part and then the record; a part without a record is swept away.
    async fn record(
        &self,
        (id, ahead): (&ContainerId, bool),
        name: &str,
        spec: ContainerSpec,
        image: crate::image::Image,
    ) -> Result<(), Error> {
        let snapshots = Arc::clone(&self.context.snapshots);
        let prepared = {
            let (id, layers) = (id.clone(), image.layers);
            // Nobody finds what a container wrote that its end removes.
            let volatile = spec.auto_remove;
            let prepare = move || match ahead {
                true => snapshots.take_prepared(&id, layers, volatile),
                false => snapshots.prepare(&id, layers, volatile),
            };
            crate::context::brief(prepare).await?
        };
        let prepared = prepared.map_err(|source| Error::Snapshot {
            action: "make",
            id: id.clone(),
            source,
        })?;
        let resolved = crate::mount_points::resolve(id, &spec, &self.context).await?;
        let mounts = resolved.points.clone();
        if let Err(error) = self.fill(id, &prepared.rootfs, &mounts).await {
            resolved.undo(&self.context).await;
            return Err(error);
        }
        let record = ContainerRecord {
            id: id.clone(),
            name: name.to_owned(),
            created: Timestamp::now(),
            image_id: image.id,
            rootfs: prepared.rootfs,
            copied: prepared.copied,
            spec,
            mounts,
        };
        let state = ContainerState::default();
        let mut batch = Batch::new();
        let action = "record a new container";
        batch
            .put(id.as_str(), &record)
            .map_err(Error::store(action))?;
        batch
            .put(id.as_str(), &state)
            .map_err(Error::store(action))?;
        let event = record.event("create", []);
        // It is durable before it is started.
        let kept = self.context.keep(action, batch, vec![event], Durable::Now);
        if let Err(error) = kept {
            resolved.undo(&self.context).await;
            return Err(error);
        }
        let container = Container::new(record, state);
        self.context.index.insert(Arc::new(Handle::new(container)));
        Ok(())
    }

    async fn fill(
        &self,
        id: &ContainerId,
        rootfs: &Rootfs,
        points: &[MountPoint],
    ) -> Result<(), Error> {
        if points.is_empty() {
            return Ok(());
        }
        let (id, rootfs, points) = (id.clone(), rootfs.clone(), points.to_vec());
        let context = Arc::clone(&self.context);
        let fill = move || crate::mount_points::fill(&id, &rootfs, &points, &context);
        crate::context::blocking(fill).await?
    }

    fn take_name(&self, name: Option<String>, id: &ContainerId) -> Result<String, Error> {
        let index = &self.context.index;
        if let Some(name) = name {
            index.take_name(&name, id)?;
            return Ok(name);
        }
        let mut attempt = 0;
        loop {
            let bytes: [u8; 32] = random()?;
            let number = bytes
                .first_chunk::<8>()
                .map_or(0, |b| u64::from_le_bytes(*b));
            let name = crate::names::generate(number, attempt);
            match index.take_name(&name, id) {
                Ok(()) => return Ok(name),
                Err(error) if attempt > 100 => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }
}

/// Random bytes of the kernel.
pub(crate) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match got {
        Ok(32) => Ok(bytes),
        Ok(_) => Err(Error::io("read all of", "getrandom".as_ref())(
            std::io::ErrorKind::UnexpectedEof.into(),
        )),
        Err(errno) => Err(Error::io("call", "getrandom".as_ref())(errno.into())),
    }
}
