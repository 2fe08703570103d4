//! Netlink: requests, batches and dumps to the kernel's routing and netfilter families.
//!
//! It knows the frame of a message, its attributes, and acknowledgements (netlink(7)). It
//! must not know what a bridge or a firewall rule is: that is `net`'s.
//! Read first: [`Message`], [`Socket`], [`Attributes`].

mod attribute;
mod message;
mod socket;

pub use attribute::Attributes;
pub use message::{Flags, Message};
pub use socket::{Refused, Socket};
