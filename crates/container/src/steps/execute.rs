//! Becomes the program.

use super::Setup;
use crate::fault::{Class, Fault, errno};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io::IoSlice;

/// The exit status of a process that could not become its program.
const NOT_EXECUTED: u8 = 255;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let process = &setup.plan.process;
    let missing = || Fault::new("find", b"", Errno::NOENT).with(Class::CommandNotFound);
    let program = process.candidates.get(setup.command).ok_or_else(missing)?;
    let error = sys::exec::execve_with(
        program,
        &process.arguments,
        &process.environment,
        setup.identity.home(),
    );
    say(program, errno(&error));
    sys::clone::exit(NOT_EXECUTED)
}

/// Says on the program's own standard error why it is not executed.
///
/// COMPAT: by then runc was told to start it and has done so; it looked for the program before,
/// and what is missing now is its interpreter.
fn say(program: &CStr, errno: Errno) {
    let words = [
        b"exec ",
        program.to_bytes(),
        b": ",
        in_go_words(errno).as_bytes(),
        b"\n",
    ];
    // Whoever closed it is told nothing.
    let _ = rustix::io::writev(rustix::stdio::stderr(), &words.map(IoSlice::new));
}

/// The kernel's answers to execve as Go spells them.
fn in_go_words(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => "no such file or directory",
        Errno::NOEXEC => "exec format error",
        Errno::ACCESS => "permission denied",
        Errno::PERM => "operation not permitted",
        Errno::TOOBIG => "argument list too long",
        Errno::TXTBSY => "text file busy",
        Errno::NOTDIR => "not a directory",
        Errno::ISDIR => "is a directory",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::NOMEM => "cannot allocate memory",
        Errno::INVAL => "invalid argument",
        Errno::IO => "input/output error",
        Errno::AGAIN => "resource temporarily unavailable",
        Errno::LIBBAD => "accessing a corrupted shared library",
        _ => "the kernel refuses",
    }
}
