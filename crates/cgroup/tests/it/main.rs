//! Against the kernel's own hierarchies, in groups of our own that are removed again.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by panic and says why it skips"
)]

mod devices;
mod fixture;
mod life;
