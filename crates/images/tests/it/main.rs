//! Images over a real database, real files and the real worker.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

mod broken;
mod builtin;
mod faults;
mod import;
mod killed;
mod load;
mod names;
mod pull;
mod push;
mod save;
mod server;
mod uploads;
mod windows;
mod world;
