//! A writer of EROFS images: entries in, one mountable blob out.
//!
//! It knows EROFS's format on disk and how a sequence of entries becomes a tree, as the
//! extraction of a tar would make it. It must not know tar, compression or where blobs are kept.
//! Read first: [`Writer`]; docs/formats/erofs.md says what is emitted.

mod crc32c;
mod directory;
mod entry;
mod error;
mod file;
mod finish;
mod format;
mod inode;
mod layout;
mod output;
mod path;
mod tree;
mod writer;
mod xattr;

pub use entry::{Metadata, Mtime, Node, Xattr};
pub use error::Error;
pub use file::FileWriter;
pub use path::clean;
pub use writer::{Bounds, Summary, Writer};
