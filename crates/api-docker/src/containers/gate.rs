//! Starts wait for attachments that are on their way.
//!
//! A client that was answered `101` may start the container before the daemon has its socket
//! out of the HTTP server's hands; its first output must not be missed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use types::ContainerId;

/// How long a start waits: a client that does not read its `101` holds up itself only.
const PATIENCE: Duration = Duration::from_secs(2);

type Counts = HashMap<ContainerId, watch::Sender<usize>>;

/// Attachments on their way, by container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates(Arc<Mutex<Counts>>);

/// One attachment on its way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Gate {
    gates: Gates,
    id: ContainerId,
}

impl Gates {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that an attachment is on its way.
    pub(crate) fn close(&self, id: &ContainerId) -> Gate {
        let mut counts = self.counts();
        let count = counts
            .entry(id.clone())
            .or_insert_with(|| watch::Sender::new(0));
        count.send_modify(|count| *count += 1);
        Gate {
            gates: self.clone(),
            id: id.clone(),
        }
    }

    /// Waits until no attachment is on its way, but not for ever.
    pub(crate) async fn wait(&self, id: &ContainerId) {
        let receiver = self.counts().get(id).map(watch::Sender::subscribe);
        let Some(mut receiver) = receiver else {
            return;
        };
        let open = receiver.wait_for(|count| *count == 0);
        // A sender that is gone has let go, too.
        if tokio::time::timeout(PATIENCE, open).await.is_err() {
            tracing::warn!(container.id = %id, "attachment does not arrive, started without it");
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut counts = self.gates.counts();
        let Some(count) = counts.get(&self.id) else {
            return;
        };
        count.send_modify(|count| *count = count.saturating_sub(1));
        if *count.borrow() == 0 {
            counts.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_waits_for_all_attachments_of_its_container() {
        let gates = Gates::default();
        let (one, other): (ContainerId, ContainerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        gates.wait(&one).await;
        let (first, second) = (gates.close(&one), gates.close(&one));
        gates.wait(&other).await;
        let waiting = tokio::spawn({
            let (gates, one) = (gates.clone(), one.clone());
            async move { gates.wait(&one).await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
        assert!(gates.counts().is_empty());
    }
}
