//! Links of containers on the default bridge, while they run.

use super::{Command, Owner};
use crate::files::Rewrite;
use crate::{ContainerSpec, Error};
use std::sync::Arc;
use std::time::Duration;

/// How long one who links this container may take to write down where it is now.
const PATIENCE: Duration = Duration::from_secs(2);

impl Owner {
    /// Tells those who link this container that it runs, and where.
    pub(super) async fn tell_linking(&self) {
        let own = self.id().as_str();
        if self.now().state.network.endpoints.is_empty() {
            return;
        }
        let links = |spec: &ContainerSpec| spec.links.iter().any(|link| link.container == own);
        for handle in self.context.index.handles() {
            let container = handle.snapshot();
            if !links(&container.record.spec) || !container.state.status.is_live() {
                continue;
            }
            let told = handle.ask(&self.context, |reply| Command::Relink { reply });
            match tokio::time::timeout(PATIENCE, told).await {
                Ok(Ok(())) => {}
                told => {
                    tracing::warn!(container.id = %handle.id(), ?told, "a linked container's address is as it was");
                }
            }
        }
    }

    /// Brings its files to where the containers are now that it links.
    pub(super) async fn relink(&self) -> Result<(), Error> {
        let container = self.now();
        let linked = crate::links::running(&container.record, &self.context.index);
        self.rewrite(Rewrite::Linked(linked)).await
    }

    /// Links nobody under this alias any more.
    pub(super) async fn unlink(&mut self, alias: &str) -> Result<(), Error> {
        let container = self.now();
        let mut record = (*container.record).clone();
        record.spec.links.retain(|link| link.alias != alias);
        self.commit_networks((*container).clone(), record, Vec::new())
            .await?;
        let word = alias.rsplit('/').next().unwrap_or(alias);
        self.rewrite(Rewrite::Unlinked(word.to_owned())).await
    }

    async fn rewrite(&self, change: Rewrite) -> Result<(), Error> {
        let container = self.now();
        if !container.state.status.is_live() {
            return Ok(());
        }
        let context = Arc::clone(&self.context);
        let write = move || {
            context.rewrite_files(&container.record, &container.state.network, change);
        };
        crate::context::blocking(write).await
    }
}
