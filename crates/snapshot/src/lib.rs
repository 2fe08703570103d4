//! A container's root file system as layers and a writable part, prepared but not mounted.
//!
//! It knows the directories below `ROOT/containers/ID` that overlay writes to, and how to
//! remove what a container left there. It must not know images, and mounts nothing.
//! Read first: [`Snapshots`].

mod error;
mod skeleton;
mod snapshots;
mod usage;

pub use error::Error;
pub use snapshots::{Leftover, Snapshots};
pub use usage::{Usage, measure};
