//! A registry: the distribution specification over a content store.
//!
//! It knows the protocol's paths, answers and error codes, and which repository has which
//! blobs, manifests and tags. It must not know containers, unpack anything, or trust a client:
//! what is stored was hashed here. Read first: [`Depot`], `routes.rs`, [`main`].

mod access;
mod answer;
mod blobs;
mod command;
mod depot;
mod error;
mod lists;
mod manifests;
mod records;
mod routes;
mod server;
mod tls;
mod uploads;

/// What clients' headers are read by, for fuzz targets.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Reads a text as a range of a blob of `size` bytes, and as a request's parameters.
    pub fn headers(text: &str, size: u64) {
        crate::blobs::check_range(text, size);
        drop(crate::routes::Query::parse(text));
    }
}

pub use access::{Access, AccountsError, Anonymous, Scheme};
pub use command::main;
pub use depot::{Depot, OpenError};
pub use server::{BindError, Guard, Server};
pub use tls::{Tls, TlsError};
