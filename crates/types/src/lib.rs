//! The vocabulary of every layer: ids, digests, signals, times, paths and kinds of error.
//!
//! It knows how these are written and checked. It must not know any file, socket or
//! system call. Read first: [`ContainerId`], [`ErrorKind`], [`Rootfs`].

mod capability;
mod digest;
mod error;
mod id;
mod paths;
mod rootfs;
mod signal;
mod timestamp;

pub use capability::CAPABILITIES;
pub use digest::{Algorithm, Digest, DigestError};
pub use error::{ErrorKind, Kind, Resource};
pub use id::{ContainerId, ExecId, IdError};
pub use paths::Paths;
pub use rootfs::{Layer, Rootfs, Writable};
pub use signal::{Signal, SignalError};
pub use timestamp::Timestamp;
