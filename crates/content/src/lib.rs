//! Blobs addressed by digest: ingested, verified while streaming, committed durably.
//!
//! It knows one directory, `blobs/ALGORITHM/HEX`, `ingests/KEY` and `scratch/KEY` in it, and
//! owns every file there. It must not know what a blob means or who needs it. Read first: [`Store`],
//! [`Ingest`], [`Error`]. The format is in `docs/formats/store.md`.

mod error;
mod hash;
mod ingest;
mod scratch;
mod store;

pub use error::Error;
pub use hash::Hasher;
pub use ingest::Ingest;
pub use scratch::Scratch;
pub use store::{Blob, Partial, Store};
