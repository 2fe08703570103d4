//! Who else needs images: asked of the engine, which alone knows containers.

use types::{ContainerId, Digest, Layer};

/// A container made from an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The container.
    pub container: ContainerId,
    /// Whether it runs (or is paused): such an image cannot be removed even by force.
    pub running: bool,
}

/// The containers, as far as images must know them. Answers come from the daemon's records,
/// also before its start is complete.
pub trait Users: Send + Sync + std::fmt::Debug {
    /// The containers made from this image.
    fn of(&self, image: &Digest) -> Vec<User>;

    /// Every layer that some container's root file system is made of.
    fn layers(&self) -> Vec<Layer>;
}

/// A store without containers.
#[derive(Clone, Copy, Debug)]
pub struct NoUsers;

impl Users for NoUsers {
    fn of(&self, _image: &Digest) -> Vec<User> {
        Vec::new()
    }

    fn layers(&self) -> Vec<Layer> {
        Vec::new()
    }
}
