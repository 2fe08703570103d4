//! A daemon without root: namespaces in which its user is root, and the process that stays
//! outside of them.
//!
//! It knows user namespaces, `/etc/subuid`, pasta and slirp4netns. It must not know containers,
//! nor whose ports it takes. The holder, `corten-rootless`, keeps the namespaces while one daemon
//! follows another, takes ports of the host's own network, and runs the program that leads out.
//! Read first: [`enter`], [`main`].

mod client;
mod error;
mod holder;
mod ids;
mod message;
mod program;
mod surroundings;

pub use client::{Outside, enter};
pub use error::Error;
pub use holder::main;
pub use ids::subordinate;
