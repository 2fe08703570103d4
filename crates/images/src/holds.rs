//! What must stay on disk although no record refers to it: parts of images in hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::Digest;

type Counts = HashMap<Digest, usize>;

/// How often each blob or layer is held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(Arc<Mutex<Counts>>);

/// Blobs and layers that a collection leaves alone while this lives.
#[derive(Debug)]
pub(crate) struct Hold {
    digests: Vec<Digest>,
    holds: Holds,
}

/// The holds while nobody may add one: a collection's view.
#[derive(Debug)]
pub(crate) struct Frozen<'a>(MutexGuard<'a, Counts>);

impl Holds {
    /// Holds `digests` from now on.
    pub(crate) fn hold(&self, digests: impl IntoIterator<Item = Digest>) -> Hold {
        self.freeze().hold(self, digests)
    }

    /// Keeps holds as they are until the result is dropped.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        Frozen(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Frozen<'_> {
    /// Whether something is held.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.0.contains_key(digest)
    }

    /// Adds a hold; `holds` is what was frozen.
    pub(crate) fn hold(
        &mut self,
        holds: &Holds,
        digests: impl IntoIterator<Item = Digest>,
    ) -> Hold {
        let digests: Vec<Digest> = digests.into_iter().collect();
        for digest in &digests {
            *self.0.entry(digest.clone()).or_default() += 1;
        }
        Hold {
            digests,
            holds: holds.clone(),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.holds.freeze();
        for digest in &self.digests {
            if let Some(count) = counts.0.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    counts.0.remove(digest);
                }
            }
        }
    }
}
