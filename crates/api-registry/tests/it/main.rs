//! The registry over real sockets and files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod collect;
mod host;
mod pull;
mod push;
