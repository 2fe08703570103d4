//! Volumes: made, listed, removed.
//!
//! A volume's record is committed before its directory is made, and its directory has lost its
//! name before its record goes: whatever interrupts either, the next daemon finds a record and
//! makes the directory, or a directory that is to be removed. A directory of which nothing is on
//! record is never removed by itself: somebody's files are in it.

mod prune;
mod shelf;
mod users;

pub use prune::{Named, VolumesPruned};
pub(crate) use shelf::{Hold, Shelf};

use crate::context::{Context, blocking};
use crate::volume_record::{ANONYMOUS, LOCAL};
use crate::{Error, LabelFilter, Pattern, VolumeRecord, VolumeSpec};
use metadata::Batch;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use types::{ContainerId, Timestamp};
use volume::{Local, Name};

/// Volumes: made, listed, removed. Clones are the same.
#[derive(Clone, Debug)]
pub struct Volumes {
    context: Arc<Context>,
}

/// Which volumes a list is about: those that match one value of every filter given.
#[derive(Clone, Debug, Default)]
pub struct VolumeFilter {
    /// Parts of names.
    pub names: Vec<Pattern>,
    /// Drivers.
    pub drivers: Vec<String>,
    /// Labels; all of them must be there.
    pub labels: Vec<LabelFilter>,
    /// Labels none of which may be there.
    pub without_labels: Vec<LabelFilter>,
    /// Those that no container has, or those that one has.
    pub dangling: Option<bool>,
}

/// Whether a removal minds what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is an error.
    Refused,
    /// It is as good as removed.
    Ignored,
}

impl Volumes {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Makes a volume; one of this name and driver that is there already is it.
    ///
    /// # Errors
    /// If the name or an option cannot be so, the driver is not known, or another driver has the
    /// name.
    pub async fn create(&self, spec: VolumeSpec) -> Result<Arc<VolumeRecord>, Error> {
        let volumes = self.clone();
        // A caller who goes away must not leave half a volume.
        let made = self.context.tracker.spawn(async move {
            let (record, _hold) = volumes.context.volume(spec, None).await?;
            Ok(record)
        });
        made.await.map_err(|_| Error::Stopping)?
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find(&self, name: &str) -> Result<Arc<VolumeRecord>, Error> {
        self.context.shelf.find(name)
    }

    /// Where its files are on the host.
    pub fn mountpoint(&self, record: &VolumeRecord) -> String {
        self.context.mountpoint(record)
    }

    /// The volumes that match, by name.
    pub fn list(&self, filter: &VolumeFilter) -> Vec<Arc<VolumeRecord>> {
        let mut found = self.context.shelf.all();
        found.retain(|record| matches(record, filter));
        if let Some(wanted) = filter.dangling {
            let used = self.use_counts();
            found.retain(|record| used.contains_key(record.name.as_str()) != wanted);
        }
        found
    }

    /// How many containers have each of the volumes that any has, by their names.
    pub fn use_counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for container in self.context.index.snapshots() {
            let points = container.record.mounts.iter();
            let names = points.filter(|point| point.is_volume());
            // One that is mounted twice is one that is had.
            let names: BTreeSet<&str> = names.filter_map(|point| point.name.as_deref()).collect();
            for name in names {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// The containers that have it, whether they run or not.
    pub fn users(&self, name: &Name) -> Vec<ContainerId> {
        self.context.volume_users(name)
    }

    /// Bytes that its files take on disk; `None` if they are not on ours.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub async fn usage(&self, record: &VolumeRecord) -> Result<Option<u64>, Error> {
        if record.options.iter().any(|options| !options.is_empty()) {
            return Ok(None);
        }
        let context = Arc::clone(&self.context);
        let name = record.name.clone();
        let measured = blocking(move || {
            let path = context.volumes.path(&name);
            let files = context
                .volumes
                .files(&name)
                .map_err(Error::volume("measure", &name))?;
            snapshot::measure(&files, &path).map_err(|source| Error::Containers { source })
        });
        Ok(Some(measured.await??.bytes))
    }

    /// Removes a volume and its files.
    ///
    /// # Errors
    /// [`Error::NotFound`] unless that is ignored; [`Error::VolumeInUse`].
    pub async fn remove(&self, name: &str, absent: Absent) -> Result<(), Error> {
        let record = match (self.find(name), absent) {
            (Ok(record), _) => record,
            (Err(_), Absent::Ignored) => return Ok(()),
            (Err(error), Absent::Refused) => return Err(error),
        };
        let volumes = self.clone();
        let removed = self
            .context
            .tracker
            .spawn(async move { volumes.context.remove_volume(&record).await });
        removed.await.map_err(|_| Error::Stopping)?
    }
}

impl Context {
    /// Where a volume's files are on the host.
    pub(crate) fn mountpoint(&self, record: &VolumeRecord) -> String {
        let path = self.volumes.path(&record.name);
        path.to_string_lossy().into_owned()
    }

    /// Makes or finds a volume, and holds it: while the hold lives it is not removed. One without
    /// a name goes with its owner.
    pub(crate) async fn volume(
        self: &Arc<Self>,
        spec: VolumeSpec,
        owner: Option<&ContainerId>,
    ) -> Result<(Arc<VolumeRecord>, Hold), Error> {
        let driver = match spec.driver.as_str() {
            "" => LOCAL.to_owned(),
            driver => driver.to_owned(),
        };
        // COMPAT: what a name may be is the driver's to say.
        if driver != LOCAL {
            let name = spec.name.clone();
            return Err(Error::VolumeDriver { name, driver });
        }
        let owner = owner.filter(|_| spec.name.is_empty());
        let (name, labels) = named(&spec)?;
        let options = spec.options.clone().unwrap_or_default();
        let _changing = self.shelf.changing().await;
        let hold = self.shelf.hold(&name);
        if let Ok(record) = self.shelf.find(name.as_str()) {
            return Ok((record, hold));
        }
        Local::parse(&options).map_err(Error::volume("create", &name))?;
        let record = Arc::new(VolumeRecord {
            name,
            driver,
            options: spec.options,
            labels,
            created: Timestamp::now(),
            owner: owner.cloned(),
        });
        self.make_volume(&record).await?;
        self.shelf.put(Arc::clone(&record));
        Ok((record, hold))
    }

    async fn make_volume(self: &Arc<Self>, record: &Arc<VolumeRecord>) -> Result<(), Error> {
        let action = "record a new volume";
        let mut batch = Batch::new();
        batch
            .put(record.name.as_str(), &**record)
            .map_err(Error::store(action))?;
        let event = record.event("create", []);
        self.commit(action, batch, vec![event]).await?;
        let (context, name) = (Arc::clone(self), record.name.clone());
        let made = blocking(move || context.volumes.make(&name)).await;
        let made = made.and_then(|made| made.map_err(Error::volume("create", &record.name)));
        if made.is_err() {
            let mut batch = Batch::new();
            batch.remove::<VolumeRecord>(record.name.as_str());
            let event = record.event("destroy", []);
            self.commit("undo a new volume", batch, vec![event]).await?;
        }
        made
    }

    /// Removes a volume that no container has.
    pub(crate) async fn remove_volume(
        self: &Arc<Self>,
        record: &Arc<VolumeRecord>,
    ) -> Result<(), Error> {
        let name = &record.name;
        let _changing = self.shelf.changing().await;
        let users = self.volume_users(name);
        if !users.is_empty() || self.shelf.is_held(name) {
            return Err(Error::VolumeInUse {
                name: name.clone(),
                users,
            });
        }
        self.shelf.find(name.as_str())?;
        self.retire_volume(name).await?;
        let mut batch = Batch::new();
        batch.remove::<VolumeRecord>(name.as_str());
        let event = record.event("destroy", []);
        let action = "record the removal of a volume";
        if let Err(error) = self.commit(action, batch, vec![event]).await {
            let (context, name) = (Arc::clone(self), name.clone());
            blocking(move || context.volumes.restore(&name))
                .await?
                .map_err(Error::volume("restore", &record.name))?;
            return Err(error);
        }
        self.shelf.take(name);
        let (context, name) = (Arc::clone(self), name.clone());
        blocking(move || context.volumes.discard(&name))
            .await?
            .map_err(Error::volume("remove", &record.name))
    }

    async fn retire_volume(self: &Arc<Self>, name: &Name) -> Result<(), Error> {
        let (context, retired) = (Arc::clone(self), name.clone());
        blocking(move || context.volumes.retire(&retired))
            .await?
            .map_err(Error::volume("remove", name))
    }

    /// The containers that have a volume, by their records.
    pub(crate) fn volume_users(&self, name: &Name) -> Vec<ContainerId> {
        let has = |record: &crate::ContainerRecord| {
            let mut points = record.mounts.iter();
            points.any(|point| point.name.as_deref() == Some(name.as_str()) && point.is_volume())
        };
        let all = self.index.snapshots().into_iter();
        all.filter(|container| has(&container.record))
            .map(|container| container.id().clone())
            .collect()
    }
}

/// Whether a volume is as wanted, whoever has it.
fn matches(record: &VolumeRecord, filter: &VolumeFilter) -> bool {
    let none = BTreeMap::new();
    let labels = record.labels.as_ref().unwrap_or(&none);
    let name = record.name.as_str();
    let has = |label: &LabelFilter| label.matches(labels);
    (filter.names.is_empty() || filter.names.iter().any(|pattern| pattern.matches(name)))
        && (filter.drivers.is_empty() || filter.drivers.contains(&record.driver))
        && filter.labels.iter().all(has)
        && !filter.without_labels.iter().any(has)
}

type Labels = Option<BTreeMap<String, String>>;

/// The name and the labels; a name that is made up shows in the labels.
fn named(spec: &VolumeSpec) -> Result<(Name, Labels), Error> {
    if !spec.name.is_empty() {
        let name = spec.name.parse().map_err(|source| Error::VolumeName {
            name: spec.name.clone(),
            source,
        })?;
        return Ok((name, spec.labels.clone()));
    }
    let name = Name::random(crate::containers::random()?);
    let mut labels = spec.labels.clone().unwrap_or_default();
    labels.insert(ANONYMOUS.to_owned(), String::new());
    Ok((name, Some(labels)))
}
