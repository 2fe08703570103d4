//! Batches that wait for the writer: whoever gets the turn commits all of them.

use crate::{Batch, Error};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::ErrorKind;

/// A failure that many callers share.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: String,
}

/// What became of a batch; empty until its commit ended.
type Outcome = Mutex<Option<Result<Vec<u64>, Failure>>>;

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) batch: Batch,
    outcome: Arc<Outcome>,
}

impl Waiting {
    pub(crate) fn settle(&self, outcome: Result<Vec<u64>, Failure>) {
        *lock(&self.outcome) = Some(outcome);
    }
}

/// A caller's hold on its batch.
pub(crate) struct Ticket(Arc<Outcome>);

impl Ticket {
    /// The outcome, if someone committed the batch already.
    pub(crate) fn outcome(&self) -> Option<Result<Vec<u64>, Error>> {
        let outcome = lock(&self.0).take()?;
        Some(outcome.map_err(|Failure { kind, reason }| Error::Grouped { kind, reason }))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    /// Changes that may be lost until the next commit takes them along.
    deferred: Mutex<Batch>,
}

impl Queue {
    pub(crate) fn join(&self, batch: Batch) -> Ticket {
        let outcome = Arc::new(Outcome::default());
        lock(&self.waiting).push(Waiting {
            batch,
            outcome: Arc::clone(&outcome),
        });
        Ticket(outcome)
    }

    pub(crate) fn defer(&self, batch: Batch) {
        lock(&self.deferred).extend(batch);
    }

    pub(crate) fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut *lock(&self.waiting))
    }

    pub(crate) fn take_deferred(&self) -> Batch {
        std::mem::take(&mut *lock(&self.deferred))
    }

    /// Gives back what a failed commit took, before what was deferred since.
    pub(crate) fn return_deferred(&self, mut batch: Batch) {
        let mut deferred = lock(&self.deferred);
        batch.extend(std::mem::take(&mut *deferred));
        *deferred = batch;
    }
}

/// A panic of another holder leaves these values whole: each is replaced at once.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
