//! Artifacts: files in a registry that are no image, and what is about an image there
//! (image-spec 1.1: `artifactType` and `subject`).
//!
//! It knows how files become a manifest and come back as files. It must not know containers
//! or the daemon: it speaks to registries alone, with the credentials that docker keeps.
//! Read first: [`main`], `push.rs`.

mod command;
mod inspect;
mod pull;
mod push;
mod referrers;
mod remote;
mod removal;

pub use command::main;
