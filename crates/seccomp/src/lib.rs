//! A seccomp compiler: an OCI filter or Docker's default profile to classic BPF.
//!
//! It knows system call numbers, Docker's profile format, and how to lay a filter out as a
//! compact decision tree: the kernel's cost of loading grows with the number of instructions.
//! It must not know processes: loading a [`Program`] is its user's. Read first: [`compile`],
//! [`Program`], [`docker_default`].

mod abi;
mod assembler;
mod chain;
mod compile;
mod error;
mod profile;
mod program;
mod rules;
mod syscalls;

pub use compile::compile;
pub use error::Error;
pub use profile::{Host, Profile, docker_default};
pub use program::Program;
