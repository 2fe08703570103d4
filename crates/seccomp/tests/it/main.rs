//! Compiled filters, run by an interpreter and compared with libseccomp's.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail by panic and says why it skips"
)]

mod bpf;
mod differential;
mod docker;
mod libseccomp;
mod model;
