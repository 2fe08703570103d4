//! The built daemon: locks, signals, readiness, configuration, and what survives it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod host;
mod life;
mod reload;
