//! A root file system as typed mounts that nobody has mounted yet.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a container's root is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rootfs {
    /// A directory that is mounted already: a runtime's bundle.
    Directory(PathBuf),
    /// A directory whose ids are as the container has them, seen through its user namespace's maps.
    Shifted(PathBuf),
    /// Layers, the topmost first, under a writable part; mounted detached for the container alone.
    Layers {
        /// Read-only layers, the topmost first; never empty.
        lower: Vec<Layer>,
        /// Where changes go; `None` makes the root read-only in itself.
        writable: Option<Writable>,
    },
}

/// One read-only layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// An EROFS image in a file, written by our own writer.
    Erofs(PathBuf),
    /// A directory tree, with overlay's whiteouts.
    Directory(PathBuf),
}

/// The writable part of an overlay: two directories of one file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writable {
    /// Overlay's `upperdir`.
    pub upper: PathBuf,
    /// Overlay's `workdir`, empty before the mount.
    pub work: PathBuf,
    /// What is written goes with the container, so that nothing is brought to the disk for its
    /// sake: overlay's `volatile` (Linux 5.10; before, it has no effect). Without it the kernel
    /// writes all of the disk's changes, of others too, whenever the overlay is unmounted.
    #[serde(default)]
    pub volatile: bool,
}
