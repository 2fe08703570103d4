//! Locking.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic of another holder leaves these values whole: each is replaced at once.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
