//! The steps of operations, for those who watch them.

use std::fmt;
use std::sync::Arc;

/// Hears of each step of an operation right after its side effect: tests die there.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Steps {
    /// Steps are told to `watcher`.
    pub fn watched(watcher: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

    pub(crate) fn reached(&self, step: &'static str) {
        tracing::trace!(step, "reached");
        if let Some(watcher) = &self.0 {
            watcher(step);
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Steps").field(&self.0.is_some()).finish()
    }
}
