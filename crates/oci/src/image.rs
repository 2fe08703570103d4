//! The documents of an image: descriptors, manifests, indexes and configurations, in the words
//! of the OCI image specification 1.1 and of Docker's schema 2.
//!
//! It knows their fields, their media types and how a platform is chosen. It must not know
//! where any of them is kept. Read first: [`Document`], [`Manifest`], [`Config`].

mod config;
mod descriptor;
mod document;
mod manifest;
pub mod media_type;
mod platform;

pub use config::{Config, ExecConfig, Healthcheck, History, RootFs};
pub use descriptor::Descriptor;
pub use document::{Document, DocumentError, MAX_DOCUMENT};
pub use manifest::{Index, Manifest};
pub use platform::{Platform, PlatformError};

use serde::{Deserialize, Deserializer};

/// Go writes an empty slice or map as `null`.
fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
