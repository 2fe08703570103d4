//! The engine: it holds the services, and nothing else.

use crate::context::Context;
use crate::{Config, Containers, Error, Events, Execs, Networks, System, Volumes};
use images::Images;
use metadata::Database;
use std::sync::Arc;
use std::time::Duration;

/// The engine: it holds the services, and nothing else. Clones are the same.
#[derive(Clone, Debug)]
pub struct Engine {
    context: Arc<Context>,
    containers: Containers,
    execs: Execs,
    networks: Networks,
    system: System,
    volumes: Volumes,
}

impl Engine {
    /// Opens the engine over what earlier daemons left: records are read, running containers
    /// adopted, interrupted operations finished or undone, restarts that are due made.
    ///
    /// # Errors
    /// If records cannot be read or the supervisors' directory not be prepared.
    pub async fn open(
        config: Config,
        database: Arc<Database>,
        images: Arc<Images>,
    ) -> Result<Self, Error> {
        let context = crate::recovery::open(config, database, images).await?;
        Ok(Self {
            containers: Containers::new(Arc::clone(&context)),
            execs: Execs::new(Arc::clone(&context)),
            networks: Networks::new(Arc::clone(&context)),
            system: System::new(Arc::clone(&context)),
            volumes: Volumes::new(Arc::clone(&context)),
            context,
        })
    }

    /// Containers.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// Processes executed in containers besides their programs.
    pub fn execs(&self) -> &Execs {
        &self.execs
    }

    /// Networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Volumes.
    pub fn volumes(&self) -> &Volumes {
        &self.volumes
    }

    /// Images.
    pub fn images(&self) -> &Images {
        &self.context.images
    }

    /// What happened.
    pub fn events(&self) -> &Events {
        &self.context.events
    }

    /// The engine as a whole.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Ends the engine's tasks, waiting for operations under way. Containers run on; without any, the
    /// control group of them all goes.
    ///
    /// Gives false if some did not end by the deadline.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.context.stopping.cancel();
        self.context.tracker.close();
        self.context.tasks.stop().await;
        let ended = tokio::time::timeout(deadline, self.context.tracker.wait()).await;
        let context = Arc::clone(&self.context);
        // The runtime is there: nothing is lost but the wait.
        drop(crate::context::blocking(move || context.networks.dismiss_proxy()).await);
        if self.context.config.has_own_group() {
            let parent = self.context.config.cgroup_parent();
            if let Err(error) = cgroup::Cgroup::remove_empty(&parent) {
                tracing::debug!(%error, "cannot look for an empty control group");
            }
        }
        ended.is_ok()
    }
}
