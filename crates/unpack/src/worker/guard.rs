//! Refusals that travel through readers as I/O errors.

use std::io;

use super::machine;
use crate::error::Refusal;

/// A refusal as an I/O error.
pub(super) fn carry(refusal: Refusal) -> io::Error {
    io::Error::other(refusal)
}

/// The refusal that an I/O error carries, or what the error says of the archive.
pub(super) fn refusal_of(error: &io::Error) -> Refusal {
    let mut source: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|e| e as _);
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return refusal.clone();
        }
        // The tar reader wraps an error in its own words: look behind them.
        if let Some(inner) = inner.downcast_ref::<io::Error>()
            && inner.get_ref().is_some()
        {
            return refusal_of(inner);
        }
        source = inner.source();
    }
    match error.raw_os_error() {
        Some(_) => machine("read the stream", error),
        None => Refusal::Damaged(error.to_string()),
    }
}
