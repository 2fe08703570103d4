//! All that is known of one container.

use super::Containers;
use crate::{Container, Error};
use snapshot::Snapshots;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use types::{ContainerId, ExecId};

/// All that is known of one container.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its record and state.
    pub container: Arc<Container>,
    /// How its root was made.
    pub storage_driver: &'static str,
    /// Its log's file, if its driver keeps one.
    pub log_path: Option<PathBuf>,
    /// The file mounted as `/etc/hostname`.
    pub hostname_path: PathBuf,
    /// The file mounted as `/etc/hosts`.
    pub hosts_path: PathBuf,
    /// The file mounted as `/etc/resolv.conf`.
    pub resolv_conf_path: PathBuf,
    /// The containers that it links: `/CHILD:/PARENT/ALIAS`.
    pub links: Vec<String>,
    /// What is executed in it besides its program.
    pub execs: Vec<ExecId>,
}

impl Containers {
    /// All that is known of one container.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn inspect(&self, id: &ContainerId) -> Result<Inspection, Error> {
        let container = self.find(id)?;
        let dir = self.context.config.paths.container(id);
        let files = crate::files::directory(
            &self.context.config.paths,
            &container.record,
            &container.state.network,
        );
        Ok(Inspection {
            log_path: crate::log::path(&container.record.spec.log, &dir),
            hostname_path: files.join(crate::files::HOSTNAME),
            hosts_path: files.join(crate::files::HOSTS),
            resolv_conf_path: files.join(crate::files::RESOLV_CONF),
            storage_driver: self.context.images.snapshotter().name(),
            links: crate::links::shown(&container.record, &self.context.index),
            execs: self.context.execs.of(id),
            container,
        })
    }

    /// Bytes in the container's writable part.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub async fn usage(&self, id: &ContainerId) -> Result<u64, Error> {
        let (snapshots, id) = (Arc::clone(&self.context.snapshots), id.clone());
        crate::context::blocking(move || usage(&snapshots, &id)).await?
    }

    /// Bytes in the writable part of each that can be counted. One thread counts them all: to go
    /// to one and back costs more than to count.
    ///
    /// # Errors
    /// If the daemon ends.
    pub async fn usages(&self, ids: Vec<ContainerId>) -> Result<HashMap<ContainerId, u64>, Error> {
        let snapshots = Arc::clone(&self.context.snapshots);
        crate::context::blocking(move || {
            let counted = ids.into_iter().filter_map(|id| {
                let bytes = usage(&snapshots, &id).ok()?;
                Some((id, bytes))
            });
            counted.collect()
        })
        .await
    }
}

fn usage(snapshots: &Snapshots, id: &ContainerId) -> Result<u64, Error> {
    let usage = snapshots.usage(id).map_err(|source| Error::Snapshot {
        action: "measure",
        id: id.clone(),
        source,
    })?;
    // COMPAT: dockerd counts what files hold, not what they take.
    Ok(usage.content)
}
