//! The sandbox that is made ahead, for whichever container comes next: that one gets its id.

use crate::Error;
use crate::held::Held;
use crate::shim::{About, spawn};
use proto::shim::{Empty, PrepareRequest};
use std::collections::HashSet;
use std::fmt;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Duration;
use types::{ContainerId, Rootfs};

/// How many may be given to containers that were not started yet.
const RESERVED: usize = 4;
/// How long one is kept for a container that is not started.
const KEPT: Duration = Duration::from_secs(10);

/// What is made ahead.
#[derive(Debug)]
pub struct Ahead {
    /// What of the configuration is likely.
    pub spec: oci::runtime::Spec,
    /// Its rules for devices that are.
    pub devices: Vec<oci::runtime::DeviceRule>,
    /// What a cgroup's path begins with, before the container's id; `None`: another makes groups,
    /// and nothing is made ahead.
    pub cgroup_parent: Option<String>,
    /// A container's own directory is made and removed by these.
    pub directory: Directory,
    /// A mount namespace with an empty directory alone, if the kernel makes one.
    pub bare: LazyLock<Option<OwnedFd>>,
}

impl Ahead {
    fn cgroups_path(&self, id: &ContainerId) -> String {
        let parent = self.cgroup_parent.as_deref().unwrap_or_default();
        format!("{}/{id}", parent.trim_end_matches('/'))
    }
}

/// A root.
#[derive(Debug)]
pub struct Root {
    /// The root file system, not mounted yet.
    pub rootfs: Rootfs,
    /// Mounts of its topmost layers, in their order.
    pub layers: Vec<Arc<OwnedFd>>,
}

/// Says which root is likely.
pub type Likely = dyn Fn(&ContainerId) -> Option<Root> + Send + Sync;

/// How a container's own directory is made and removed; neither is missed if it fails.
pub struct Directory {
    /// Makes it.
    pub make: Box<dyn Fn(&ContainerId) + Send + Sync>,
    /// Removes it, with what is in it.
    pub remove: Box<dyn Fn(&ContainerId) + Send + Sync>,
    /// The root that the container with this directory will most probably have.
    pub root: Box<Likely>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// The sandboxes that no container uses yet.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    /// Nobody's.
    next: Option<ContainerId>,
    /// Of containers that were made and not started.
    reserved: HashSet<ContainerId>,
    /// No more are made.
    stopped: bool,
}

impl Spares {
    /// Forgets a sandbox; true if it was nobody's.
    pub(crate) fn forget(&mut self, id: &ContainerId) -> bool {
        self.reserved.remove(id);
        self.next.take_if(|next| next == id).is_some()
    }

    /// Whether a container was given this sandbox, and has not been started.
    pub(crate) fn is_reserved(&self, id: &ContainerId) -> bool {
        self.reserved.contains(id)
    }
}

impl Held {
    /// The id of the sandbox that was made ahead, for a new container to have.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<ContainerId> {
        let id = {
            let mut table = self.table();
            let spares = &mut table.spares;
            let room = spares.reserved.len() < RESERVED;
            let id = spares.next.take_if(|_| room)?;
            spares.reserved.insert(id.clone());
            id
        };
        let (held, kept) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            held.give_back(&kept).await;
        });
        Some(id)
    }

    /// Ends the sandbox of a container that was not started, if it has one.
    pub(crate) async fn give_back(&self, id: &ContainerId) {
        let shim = {
            let mut table = self.table();
            match table.spares.reserved.remove(id) {
                true => table.shims.get(id).cloned(),
                false => None,
            }
        };
        if let Some(shim) = shim {
            shim.link.close();
            self.await_departure(&shim).await;
        }
    }

    /// Ends the sandbox that is nobody's.
    pub(crate) async fn end_spare(&self) {
        self.table().spares.stopped = true;
        self.end_nobodys().await;
    }

    /// Makes the sandbox that is nobody's anew.
    pub(crate) async fn renew_spare(self: &Arc<Self>) {
        self.end_nobodys().await;
        self.prepare_spare();
    }

    async fn end_nobodys(&self) {
        // One that is being made is made by then.
        drop(self.making.lock());
        let shim = {
            let table = self.table();
            let next = table.spares.next.as_ref();
            next.and_then(|id| table.shims.get(id).cloned())
        };
        if let Some(shim) = shim {
            shim.link.close();
            self.await_departure(&shim).await;
        }
    }

    /// Makes the next sandbox, if none waits.
    pub(crate) fn prepare_spare(self: &Arc<Self>) {
        if self.ahead.cgroup_parent.is_none() {
            return;
        }
        let held = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let mut bytes = [0; 32];
            let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
            if got != Ok(bytes.len()) {
                return;
            }
            let id = ContainerId::from_random(bytes);
            let making = held.making.lock().unwrap_or_else(PoisonError::into_inner);
            {
                let spares = &held.table().spares;
                if spares.next.is_some() || spares.stopped {
                    return;
                }
            }
            // Whoever is given the id finds the directory whole; its shim may take a while.
            (held.ahead.directory.make)(&id);
            held.table().spares.next = Some(id.clone());
            let started = held.start_spare(&id);
            drop(making);
            if let Err(error) = started {
                tracing::debug!(%error, "cannot make a sandbox ahead");
                if held.table().spares.forget(&id) {
                    (held.ahead.directory.remove)(&id);
                }
            }
        });
    }

    fn start_spare(self: &Arc<Self>, id: &ContainerId) -> Result<(), Error> {
        let shim = spawn(&self.executable, &self.paths, id)?;
        self.table().shims.insert(id.clone(), shim.clone());
        self.follow(shim.clone(), 0);
        let (rootfs, layers) = match (self.ahead.directory.root)(id) {
            Some(root) => (serde_json::to_vec(&root.rootfs), root.layers),
            None => (Ok(Vec::new()), Vec::new()),
        };
        let bare = self.ahead.bare.is_some();
        let request = PrepareRequest {
            directory: self.paths.container(id).to_string_lossy().into_owned(),
            cgroups_path: self.ahead.cgroups_path(id),
            configuration: serde_json::to_vec(&self.ahead.spec).unwrap_or_default(),
            rootfs: rootfs.unwrap_or_default(),
            descriptors: u32::try_from(layers.len() + usize::from(bare)).unwrap_or(u32::MAX),
            bare,
            devices: serde_json::to_vec(&self.ahead.devices).unwrap_or_default(),
        };
        let (id, held) = (id.clone(), Arc::clone(self));
        tokio::spawn(async move {
            let about = About::container("prepare", &id);
            let mounts = layers.iter().map(|mount| mount.as_fd());
            let bare = held.ahead.bare.iter().map(OwnedFd::as_fd);
            let mounts: Vec<_> = mounts.chain(bare).collect();
            let prepared = shim.ask::<Empty>("Prepare", about, &request, &mounts).await;
            if let Err(error) = prepared {
                // Its container is made without.
                tracing::debug!(%error, "cannot make everything of a sandbox ahead");
            }
        });
        Ok(())
    }
}
