//! Control groups v1, v2 and hybrid: finding, making, limiting, reading and ending them.
//!
//! It knows the hierarchies that are mounted, their files, and how the limits of the OCI
//! documents are written in each version; and the classes of service beside them. It must not know what runs inside, nor start
//! anything. Read first: [`Cgroup`], [`Request`], [`Hierarchies`].

mod cgroup;
mod devices;
mod error;
mod freezer;
mod group;
mod hierarchy;
mod limits;
mod processes;
pub mod resctrl;
pub mod stats;
mod sweep;
mod systemd;

pub use self::systemd::Attachment;
pub use ::systemd::Property;
pub use cgroup::{Cgroup, Driver, Entrance, Entry, Reach, Request, State};
pub use error::Error;
pub use hierarchy::{Hierarchies, Hierarchy, Version};
pub use resctrl::Resctrl;
pub use stats::Stats;
