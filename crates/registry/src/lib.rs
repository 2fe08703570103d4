//! The distribution client: manifests and blobs fetched from registries.
//!
//! It knows HTTP, the distribution specification and how registries authenticate. It must
//! not know where anything is stored or what an image is made into. Read first:
//! [`Registries`], [`Repository`], [`Error`].

mod auth;
mod challenge;
mod connector;
mod credentials;
mod download;
mod error;
mod exchange;
mod http;
mod repository;
mod settings;
mod target;
mod tls;

pub use credentials::Credentials;
pub use download::Download;
pub use error::{Cause, Error};
pub use repository::{Fetched, Registries, Repository};
pub use settings::{Patience, Settings};
