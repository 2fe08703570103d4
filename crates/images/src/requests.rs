//! What callers ask for, and what they are told.

use crate::{Credentials, Platform, Reference};
use std::pin::Pin;
use tokio::io::AsyncRead;
use types::Digest;

/// Bytes from a caller.
pub type Input = Pin<Box<dyn AsyncRead + Send>>;

/// Fetch an image from its registry.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The image; without tag and digest it is `latest`.
    pub reference: Reference,
    /// For which platform; `None` is the host's.
    pub platform: Option<Platform>,
    /// What to show to the reference's registry.
    pub credentials: Option<Credentials>,
}

/// Send an image to its registry.
#[derive(Clone, Debug)]
pub struct Push {
    /// The image; without a tag every tag of the repository.
    pub reference: Reference,
    /// What the image must be for.
    pub platform: Option<Platform>,
    /// What to show to the reference's registry.
    pub credentials: Option<Credentials>,
}

/// Make an image of one layer from an archive of a root file system.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The name to give.
    pub reference: Option<Reference>,
    /// Dockerfile instructions that configure it: `CMD ["a"]`, `ENV A=b`.
    pub changes: Vec<String>,
    /// The comment of its history; `None` says that it was imported.
    pub message: Option<String>,
    /// The platform that it is said to be for; `None` is the host's.
    pub platform: Option<Platform>,
}

/// What was in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub id: Digest,
    /// The names that it was given.
    pub references: Vec<Reference>,
}

/// Whether an image's other names and stopped containers are in the way of its removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// They are.
    #[default]
    No,
    /// They are not; running containers still are.
    Yes,
}

/// What happens to an image's blobs and layers that nobody else has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parents {
    /// They go, too.
    #[default]
    Prune,
    /// They stay until the next collection: Docker's `noprune`.
    Keep,
}

/// How to remove an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remove {
    /// Whether by force.
    pub force: Force,
    /// What else goes.
    pub parents: Parents,
}

/// One thing that a removal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A name was taken away: `debian:12`, `debian@sha256:...`.
    Untagged(String),
    /// An image, or a layer by its chain's id, is gone.
    Deleted(Digest),
}

/// What images take on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all layers and blobs, each counted once, as `du` counts them.
    pub total: u64,
    /// Bytes of what some image refers to.
    pub referenced: u64,
    /// By image: all it refers to, and how much of that others refer to as well.
    pub images: Vec<ImageUsage>,
}

/// What one image takes on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUsage {
    /// The image.
    pub id: Digest,
    /// Bytes of everything it refers to.
    pub size: u64,
    /// Bytes of what other images refer to as well.
    pub shared: u64,
}
