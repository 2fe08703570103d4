//! Waiting for a container to end.

use super::Containers;
use crate::{Container, Error};
use std::sync::Arc;
use tokio::sync::watch;
use types::ContainerId;

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// That it does not run, which may be so already.
    #[default]
    NotRunning,
    /// That its program ends once more.
    NextExit,
    /// That it is removed.
    Removed,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub exit_code: u8,
    /// Why it could not be started or is not known; else empty.
    pub error: String,
}

/// A waiter that was registered: what happens from now on is seen.
#[derive(Debug)]
pub struct Wait {
    condition: WaitCondition,
    exits: u64,
    watch: watch::Receiver<Arc<Container>>,
}

impl Containers {
    /// Registers a waiter.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn wait(&self, id: &ContainerId, condition: WaitCondition) -> Result<Wait, Error> {
        let watch = self.context.index.container(id)?.watch();
        let exits = watch.borrow().exits;
        Ok(Wait {
            condition,
            exits,
            watch,
        })
    }
}

impl Wait {
    /// Waits.
    ///
    /// # Errors
    /// [`Error::Stopping`] if the daemon stops first.
    pub async fn ended(mut self) -> Result<Ended, Error> {
        let (condition, exits) = (self.condition, self.exits);
        let met = |container: &Arc<Container>| {
            container.removed
                || match condition {
                    // COMPAT: a program that ended has ended, though it is started again.
                    WaitCondition::NotRunning => {
                        !container.state.status.is_live() || container.exits > exits
                    }
                    WaitCondition::NextExit => container.exits > exits,
                    WaitCondition::Removed => false,
                }
        };
        let container = self
            .watch
            .wait_for(met)
            .await
            .map_err(|_| Error::Stopping)?;
        Ok(Ended {
            exit_code: container.state.exit_code,
            error: container.state.error.clone(),
        })
    }
}
