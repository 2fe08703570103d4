//! Why a filter cannot be compiled.

use oci::runtime::Arch;
use types::{ErrorKind, Kind};

/// Why a filter cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An architecture that this host's programs cannot be of.
    #[error("linux.seccomp.architectures: {0} cannot be filtered on this host")]
    Architecture(Arch),
    /// `SCMP_ACT_NOTIFY` where it would lock up.
    #[error("linux.seccomp: SCMP_ACT_NOTIFY cannot be used {0}")]
    Notify(&'static str),
    /// An argument that no system call has.
    #[error("linux.seccomp.syscalls: {name}: argument index {index} is above 5")]
    Argument {
        /// The call.
        name: String,
        /// The index.
        index: u32,
    },
    /// The kernel takes 4096 instructions.
    #[error("linux.seccomp: the filter needs {0} instructions, the kernel takes 4096")]
    TooLong(usize),
    /// A profile in Docker's format that cannot be read.
    #[error("cannot read the seccomp profile: {0}")]
    Profile(String),
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
}
