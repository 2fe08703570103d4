//! Layers of images on disk, and containers' roots made of them, prepared but not mounted.
//!
//! It knows the forms of layers below `ROOT/layers`, the directories below `ROOT/containers/ID`
//! that a container writes to, and how to remove what it left there. It must not know images or
//! what is in archives. Read first: [`Snapshotter`], [`Layers`], [`Snapshots`].

mod copy;
mod error;
mod gather;
mod layers;
mod mounts;
mod skeleton;
mod snapshots;
mod snapshotter;
mod usage;

pub use error::Error;
pub use layers::{Draft, Layers, Output};
pub use snapshots::{Leftover, Prepared, Snapshots};
pub use snapshotter::{Snapshotter, UnknownSnapshotter};
pub use usage::{Usage, measure};
