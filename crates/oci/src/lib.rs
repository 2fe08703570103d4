//! The OCI documents: runtime-spec configuration, state and features, image manifests and configurations.
//!
//! It knows the documents' fields and how they are written. It must not know any kernel, file
//! or process. Read first: [`runtime::Spec`], [`image::Manifest`], [`Reference`].

pub mod image;
mod reference;
pub mod runtime;

pub use reference::{Reference, ReferenceError};
