//! Layers mounted once for all containers: the pages that one has read are there for the next.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use types::Layer;

/// The most mounts that are held. One takes a descriptor and some kilobytes of the kernel's.
const HELD: usize = 256;
/// The most layers of one root that are given mounted: as many descriptors fit in a message,
/// with room for those of clients.
const AT_ONCE: usize = 200;

/// Detached mounts, by their image's path. They end with this process, or with their layer.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    mounts: HashMap<PathBuf, Mount>,
    /// Counts uses: the smallest is the longest ago.
    clock: u64,
}

#[derive(Debug)]
struct Mount {
    tree: Arc<OwnedFd>,
    used: u64,
}

impl Mounts {
    /// Mounts of the topmost of these layers, in their order, up to the first that cannot be
    /// mounted here: whoever uses it will mount it, or say why not.
    pub(crate) fn of(&self, layers: &[Layer]) -> Vec<Arc<OwnedFd>> {
        let layers = layers.iter().take(AT_ONCE);
        layers.map_while(|layer| self.one(layer)).collect()
    }

    fn one(&self, layer: &Layer) -> Option<Arc<OwnedFd>> {
        let Layer::Erofs(path) = layer else {
            return None;
        };
        if let Some(found) = self.find(path) {
            return Some(found);
        }
        let tree = Arc::new(sys::mount::erofs(path).ok()?);
        self.keep(path, &tree);
        Some(tree)
    }

    fn find(&self, path: &Path) -> Option<Arc<OwnedFd>> {
        let mut held = self.held();
        held.clock += 1;
        let used = held.clock;
        let mount = held.mounts.get_mut(path)?;
        mount.used = used;
        Some(Arc::clone(&mount.tree))
    }

    /// Holds a mount; the one that was not used for longest makes room.
    fn keep(&self, path: &Path, tree: &Arc<OwnedFd>) {
        let mut held = self.held();
        let oldest = match held.mounts.len() < HELD {
            true => None,
            false => {
                let oldest = held.mounts.iter().min_by_key(|(_, mount)| mount.used);
                oldest.map(|(path, _)| path.clone())
            }
        };
        let ended = oldest.and_then(|oldest| held.mounts.remove(&oldest));
        let mount = Mount {
            tree: Arc::clone(tree),
            used: held.clock,
        };
        let twice = held.mounts.insert(path.to_owned(), mount);
        drop(held);
        // Closing a mount takes its time.
        drop((ended, twice));
    }

    /// Ends the mount of a layer that is removed.
    pub(crate) fn forget(&self, path: &Path) {
        let ended = self.held().mounts.remove(path);
        drop(ended);
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
