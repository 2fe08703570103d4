//! The registry over real sockets and files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod access;
mod collect;
mod host;
mod pull;
mod push;
mod tls;
