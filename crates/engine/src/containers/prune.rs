//! Removing what does not run.

use super::{Containers, Removal};
use crate::{ContainerFilter, Error, Event, EventType, Problem};
use types::ContainerId;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The containers.
    pub containers: Vec<ContainerId>,
    /// The bytes they held.
    pub bytes: u64,
}

impl Containers {
    /// Removes the containers that match and do not run.
    ///
    /// # Errors
    /// If one cannot be removed; those before it were.
    pub async fn prune(&self, filter: &ContainerFilter) -> Result<Pruned, Error> {
        let wanted = ContainerFilter {
            all: true,
            ..filter.clone()
        };
        let mut pruned = Pruned::default();
        for container in self.list(&wanted)? {
            if container.state.status.is_live() {
                continue;
            }
            let id = container.id();
            // What cannot be measured is removed all the same.
            let bytes = self.usage(id).await.unwrap_or(0);
            match self.remove(id, Removal::default()).await {
                Ok(()) => {
                    pruned.bytes += bytes;
                    pruned.containers.push(id.clone());
                }
                // Started or removed by another meanwhile.
                Err(
                    Error::NotFound(_)
                    | Error::State {
                        problem:
                            Problem::Running | Problem::Paused | Problem::Restarting | Problem::Removing,
                        ..
                    },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        let event = Event::prune(EventType::Container, pruned.bytes);
        self.context.events.record(event);
        Ok(pruned)
    }
}
