//! What is made before anybody asks for a container: its own directory, and what its supervisor
//! is told to make.

use crate::limits::Limits;
use crate::{CgroupDriver, CgroupMode, Config, files};
use images::Images;
use snapshot::Snapshots;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, LazyLock};
use task::{Ahead, Directory, Root};
use types::ContainerId;

/// For containers with Docker's defaults.
pub(crate) fn of(
    config: &Config,
    limits: &Limits,
    snapshots: &Arc<Snapshots>,
    images: &Arc<Images>,
) -> Ahead {
    let (making, removing) = (Arc::clone(snapshots), Arc::clone(snapshots));
    // They have who watches them, who has this.
    let (likely, images) = (Arc::clone(snapshots), Arc::downgrade(images));
    let paths = config.paths.clone();
    let make = move |id: &ContainerId| {
        if let Err(error) = making.prepare_ahead(id) {
            return tracing::debug!(%error, "cannot make a container's directory ahead");
        }
        let folder = paths.container(id);
        for name in files::ALL {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o644);
            // What is not there is made when it is needed.
            drop(options.open(folder.join(name)));
        }
    };
    let remove = move |id: &ContainerId| {
        if let Err(error) = removing.remove(id) {
            tracing::warn!(%error, "cannot remove a container's directory that was made ahead");
        }
    };
    let root = move |id: &ContainerId| {
        let rootfs = likely.likely(id)?;
        let layers = images.upgrade()?.layer_mounts(&rootfs);
        Some(Root { rootfs, layers })
    };
    Ahead {
        spec: crate::spec::likely(match &config.defaults.cgroup {
            CgroupMode::Default => limits.unified(),
            mode => *mode == CgroupMode::Private,
        }),
        devices: crate::spec::likely_device_rules(),
        cgroup_parent: match config.cgroup_driver {
            CgroupDriver::Cgroupfs => Some(config.cgroup_parent()),
            CgroupDriver::Systemd => None,
        },
        directory: Directory {
            make: Box::new(make),
            remove: Box::new(remove),
            root: Box::new(root),
        },
        bare: LazyLock::new(|| {
            let made = container::bare().inspect_err(|error| {
                tracing::debug!(%error, "containers' mount namespaces begin as copies of ours");
            });
            made.ok()
        }),
    }
}
