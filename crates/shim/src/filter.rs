//! Compiled filters of system calls, made here or by the daemon.

use crate::error::{Error, Result};
use oci::runtime::Spec;
use seccomp::Program;

/// Compiles the filter that a configuration asks for, if it does.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Program>> {
    let linux = spec.linux.as_ref();
    let asked = linux.and_then(|linux| linux.seccomp.as_ref());
    Ok(asked.map(seccomp::compile).transpose()?)
}

/// Reads a filter that was compiled elsewhere: the flags (4 bytes), then the instructions, all
/// in the machine's byte order.
pub(crate) fn decode(bytes: &[u8]) -> Result<Program> {
    let program = bytes.split_first_chunk().and_then(|(flags, instructions)| {
        Program::from_bytes(u32::from_ne_bytes(*flags), instructions)
    });
    program.ok_or_else(|| Error::invalid("seccomp")("is no compiled filter"))
}
