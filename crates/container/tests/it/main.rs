//! Containers on the real kernel, as root: what each setting does, and what must not work.
#![expect(clippy::unwrap_used, reason = "a test's fixture fails the test")]

mod attacks;
mod exec;
mod fixture;
mod gate;
mod hooks;
mod interfaces;
mod mounts;
mod namespaces;
mod process;
mod root;
mod steps;
