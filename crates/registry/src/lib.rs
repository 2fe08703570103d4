//! The distribution client: manifests and blobs fetched from registries and sent to them.
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
mod hosts;
mod http;
mod login;
mod payload;
mod proxy;
mod referrers;
mod removal;
mod repository;
mod search;
mod settings;
mod target;
mod tls;
mod upload;

/// What registries' headers are read by, for fuzz targets.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Reads a header as each kind that a registry answers with.
    pub fn headers(header: &str) {
        crate::challenge::parse(header);
        crate::download::part::start_of(header);
    }
}

pub use credentials::Credentials;
pub use download::Download;
pub use error::{Access, Cause, Error};
pub use proxy::{Proxies, without_secret};
pub use repository::{Fetched, Registries, Repository};
pub use search::Finding;
pub use settings::{Patience, Settings, Split};
pub use tls::{Identity, Trust};
pub use upload::{Upload, Uploaded};
