//! What runs in a container.

use super::Containers;
use crate::{Error, Problem};
use types::ContainerId;

/// A table of processes, as `ps` prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    /// The columns' names.
    pub titles: Vec<String>,
    /// One row a process.
    pub rows: Vec<Vec<String>>,
}

impl Containers {
    /// What runs in a container, read from the host's `/proc`; nothing is executed.
    ///
    /// # Errors
    /// [`Problem::NotRunning`]; [`Error::Invalid`] for arguments that `ps` would not take, or
    /// without its column `PID`.
    pub async fn top(&self, id: &ContainerId, arguments: &[String]) -> Result<Processes, Error> {
        let container = self.find(id)?;
        if !container.state.status.is_live() {
            return Err(Error::state(
                "list the processes of",
                id,
                Problem::NotRunning,
            ));
        }
        let format = crate::top::Format::of(arguments)?;
        let pids = self.context.tasks.pids(id).await;
        let pids = pids.map_err(Error::task("list the processes of", id))?;
        let table = crate::context::blocking(move || crate::top::table(&format, &pids)).await?;
        self.context
            .events
            .record(container.record.event("top", []));
        Ok(table)
    }
}
