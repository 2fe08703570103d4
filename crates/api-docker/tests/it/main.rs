//! The API as clients see it, over an engine in this process on a directory of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do, and say why they skip"
)]

mod containers;
mod docker;
mod execs;
mod fields;
mod host;
mod images;
mod protocol;
mod routes;
mod system;
