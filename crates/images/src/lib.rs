//! Images: pulled, loaded, imported, pushed, saved, named, listed and removed.
//!
//! It knows how references lead to image records, and those to blobs and layers, and what of
//! these nobody needs any more. It must not know containers (it asks [`Users`] about them),
//! any client's protocol, or how an archive is parsed. Read first: [`Images`], [`Image`],
//! [`Error`].

mod change;
mod collect;
mod commit;
mod distribution;
mod error;
mod facts;
mod hello;
mod holds;
mod image;
mod images;
mod import;
mod intake;
mod load;
mod operation;
mod progress;
mod pull;
mod push;
mod records;
mod remove;
mod requests;
mod save;
mod steps;
mod transfers;
mod users;
mod watch;

pub use change::configure;
pub use collect::Collected;
pub use commit::{Commit, Whole};
pub use distribution::Offered;
pub use error::{Conflict, Error};
pub use image::{HistoryEntry, Image};
pub use images::{Images, Options};
pub use oci::image::{Config, Platform};
pub use oci::{Reference, ReferenceError};
pub use progress::{Event, Progress};
pub use registry::{
    Access as RegistryAccess, Cause as RegistryCause, Credentials, Error as RegistryError, Finding,
    Patience, Proxies, Settings, without_secret,
};
pub use requests::{
    Force, ImageUsage, Import, Input, Loaded, Parents, Pull, Push, Removal, Remove, Usage,
};
pub use save::Archive;
pub use snapshot::Snapshotter;
pub use steps::Steps;
pub use transfers::AtOnce;
pub use users::{NoUsers, User, Users};
pub use watch::Happening;
