//! The built runtime on the real kernel, with bundles and a state directory of its own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by panic and says why it skips"
)]

mod bundle;
mod checkpoint;
mod errors;
mod flags;
mod foreground;
mod labels;
mod life;
mod mutations;
mod rootless;
mod sealed;
mod systemd;
