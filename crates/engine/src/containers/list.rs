//! Lists of containers.

use super::Containers;
use crate::{Container, ContainerFilter, Error};
use std::collections::HashMap;
use std::sync::Arc;
use types::ContainerId;

impl Containers {
    /// The containers that match, the newest first.
    ///
    /// # Errors
    /// If `before` or `since` name none.
    pub fn list(&self, filter: &ContainerFilter) -> Result<Vec<Arc<Container>>, Error> {
        let before = self.made(filter.before.as_deref())?;
        let since = self.made(filter.since.as_deref())?;
        let limited = filter.limit.is_some();
        let mut found = self.context.index.snapshots();
        found.sort_by(|a, b| creation(b).cmp(&creation(a)));
        found.retain(|container| {
            let created = container.record.created;
            (limited || filter.wants_stopped() || container.state.status.is_live())
                && before.is_none_or(|before| created < before)
                && since.is_none_or(|since| created > since)
                && filter.matches(container)
        });
        found.truncate(filter.limit.unwrap_or(usize::MAX));
        Ok(found)
    }

    /// How many containers there are of each image, by its id.
    pub fn image_counts(&self) -> HashMap<String, usize> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for container in self.context.index.snapshots() {
            let image = &container.record.image_id;
            match counts.get_mut(image) {
                Some(count) => *count += 1,
                None => drop(counts.insert(image.clone(), 1)),
            }
        }
        counts
    }

    fn made(&self, name: Option<&str>) -> Result<Option<types::Timestamp>, Error> {
        let Some(name) = name else { return Ok(None) };
        let id = self.resolve(name)?;
        Ok(Some(self.find(&id)?.record.created))
    }
}

fn creation(container: &Container) -> (types::Timestamp, &ContainerId) {
    (container.record.created, &container.record.id)
}
