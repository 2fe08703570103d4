//! The worker that parses what came from outside: archives and compressed streams to layer
//! blobs, manifests and configurations to values.
//!
//! It knows how tar streams are decompressed, hashed and applied, and how the process
//! that does so is confined. It must not know registries, image names or the database.
//! Read first: [`Unpack`] (the caller's side), [`worker`] (what runs in `corten-unpack`).

mod document;
mod error;
mod files;
mod job;
mod limits;
mod outcome;
pub mod worker;

pub use error::{Error, Refusal};
pub use files::{Detail, Owner, Pack, Packed, Place, Placed};
pub use job::{Answer, Job, Unpack};
pub use limits::Limits;
pub use outcome::{Compression, Link, Member, Outcome, Saved, Split, Unpacked, VERSION};
