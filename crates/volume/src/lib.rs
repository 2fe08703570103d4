//! Volumes: directories that outlive containers, and file systems mounted on them.
//!
//! It knows the directories below `ROOT/volumes/NAME`, what the local driver's options mean,
//! and how a volume's file system is mounted and unmounted. It must not know containers, nor
//! which volumes are on record: the engine keeps both. Read first: [`Volumes`], [`Local`].

mod error;
mod local;
mod mount;
mod name;
mod volumes;

pub use error::Error;
pub use local::Local;
pub use name::{Name, NameError};
pub use volumes::{Leftover, Volumes};
