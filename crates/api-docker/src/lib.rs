//! The Docker Engine API over the engine: routes, documents, streams and error texts.
//!
//! It knows the protocol: versions, paths, parameters, documents, how connections are taken
//! over, and the words that clients match on. It must not know any file, database or system
//! call. Read first: [`ROUTES`], [`Api`], `error.rs`.

mod body;
mod builds;
mod call;
mod compat;
mod containers;
mod error;
mod events;
mod execs;
mod hearing;
mod images;
mod legacy;
mod metrics;
mod networks;
mod plugins;
mod query;
mod route;
mod routes;
mod server;
mod stream;
mod swarm;
mod system;
mod takeover;
mod version;
mod volumes;

pub use route::Route;
pub use routes::ROUTES;
pub use server::{About, Api, Host, Services};
pub use stream::Stream;
pub use version::ApiVersion;
