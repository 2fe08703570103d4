//! The shim's wire: generated task messages and the ttrpc frame they travel in.
//!
//! It knows bytes. It must not know sockets, files or processes. Read first: [`Frame`],
//! [`Request`], [`shim`].

mod code;
mod frame;
pub mod run;
mod ttrpc;

pub use code::Code;
pub use frame::{Frame, FrameError, HEADER, Kind, MAX_PAYLOAD};
pub use ttrpc::{Metadata, Request, Response, Status, body, failure};

/// Everything that prost made.
#[expect(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from .proto files, ours and containerd's"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}

pub use generated::containerd;
pub use generated::corten::shim::v1 as shim;
pub use generated::io;
pub use prost;
pub use prost_types;

/// Names of services, as ttrpc requests give them.
pub mod service {
    /// Our own.
    pub const SHIM: &str = "corten.shim.v1.Shim";
    /// containerd's Task API, since 1.3.
    pub const TASK_V2: &str = "containerd.task.v2.Task";
    /// containerd's Task API, since 1.7: the same messages.
    pub const TASK_V3: &str = "containerd.task.v3.Task";
    /// Where a shim forwards events to containerd.
    pub const EVENTS: &str = "containerd.services.events.ttrpc.v1.Events";
}

/// The version of [`shim`]'s service.
pub const VERSION: u32 = 1;
