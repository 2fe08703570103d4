//! Live containers as the daemon sees them: shims started, adopted and driven over ttrpc.
//!
//! It knows how a shim is started, found again and asked. It must not know why a container
//! runs: names, images and restart policies are the engine's. Read first: [`Tasks`],
//! [`Create`], [`Event`].

mod adopt;
mod attach;
mod create;
mod dead;
mod error;
mod event;
mod executable;
mod filters;
mod held;
mod link;
mod message;
mod shim;
mod spare;
mod tasks;

pub use attach::{Attach, DetachKeys, DetachKeysError, Framing};
pub use create::{Adopted, AdoptedState, Create, Exec, Size, StdinPolicy, Task};
pub use error::Error;
pub use event::{Event, EventKind, ExitStatus};
pub use spare::{Ahead, Directory, Likely, Root};
pub use tasks::Tasks;
