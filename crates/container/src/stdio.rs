//! Where a process reads and writes.

use std::os::fd::BorrowedFd;

/// A process' standard input, output and error.
#[derive(Clone, Copy, Debug)]
pub enum Stdio<'fd> {
    /// The caller's own.
    Inherit,
    /// These three.
    Descriptors {
        /// Standard input.
        stdin: BorrowedFd<'fd>,
        /// Standard output.
        stdout: BorrowedFd<'fd>,
        /// Standard error.
        stderr: BorrowedFd<'fd>,
    },
}
