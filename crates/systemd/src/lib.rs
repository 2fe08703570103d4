//! The part of systemd's D-Bus interface that makes, limits and stops scopes.
//!
//! It knows the bus, its messages and the manager's methods. It must not know control groups
//! nor containers. Read first: [`Manager`], [`Property`].

mod bus;
mod error;
mod message;
mod property;
mod units;

pub use error::Error;
pub use property::Property;
pub use units::{Instance, Manager, runs};
pub use zbus::Variant;
