//! Removing volumes that no container has.

use super::{Absent, VolumeFilter, Volumes};
use crate::{Error, Event, EventType};
use volume::Name;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumesPruned {
    /// The volumes.
    pub volumes: Vec<Name>,
    /// The bytes they held.
    pub bytes: u64,
}

impl Volumes {
    /// Removes the volumes that match and that no container has; those with a name only if
    /// `named` says so.
    ///
    /// # Errors
    /// If one cannot be removed; those before it were.
    pub async fn prune(&self, filter: &VolumeFilter, named: Named) -> Result<VolumesPruned, Error> {
        let mut pruned = VolumesPruned::default();
        for record in self.list(filter) {
            let wanted = named == Named::Removed || record.is_anonymous();
            if !wanted || !self.users(&record.name).is_empty() {
                continue;
            }
            // What cannot be measured is removed all the same.
            let bytes = self.usage(&record).await.ok().flatten().unwrap_or(0);
            match self.remove(record.name.as_str(), Absent::Refused).await {
                Ok(()) => {
                    pruned.bytes += bytes;
                    pruned.volumes.push(record.name.clone());
                }
                // Taken by a container or removed by another meanwhile.
                Err(Error::VolumeInUse { .. } | Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let event = Event::prune(EventType::Volume, pruned.bytes);
        self.context.events.record(event);
        Ok(pruned)
    }
}

/// What becomes of volumes that somebody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// They stay.
    Kept,
    /// They go like those without a name.
    Removed,
}
