//! The Container Network Interface, 1.1: networks of plugins, and attachments of containers to them.
//!
//! It knows configurations in a directory, the protocol of plugins, and the results that it
//! keeps on disk so that what was added is deleted after any restart. It must not know pods,
//! or whose words asked for them. Calls block; the caller keeps those for one container in turn.
//! Read first: [`Directory`], [`Attachment`], [`Runtime`].

mod attachment;
mod builtin;
mod cache;
mod directory;
mod error;
mod network;
mod plugin;
mod process;
mod runtime;
mod success;
mod version;

pub use attachment::{Attachment, Bandwidth, Capabilities, IpRange, PortMapping, Resolver};
pub use directory::Directory;
pub use error::{Code, Error};
pub use network::{Network, PluginConfig};
pub use process::Limits;
pub use runtime::Runtime;
pub use success::{Address, Dns, Interface, Route, Success};
pub use version::Version;
