//! Becomes the program.

use super::Setup;
use crate::fault::{Class, Fault, errno};
use rustix::io::Errno;

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
    let name = process.arguments.strings().first();
    let name = name.map_or(&b""[..], |name| name.to_bytes());
    let errno = errno(&error);
    let class = match errno {
        // It was there just now: its interpreter is not.
        Errno::NOENT | Errno::NOTDIR => Class::NoInterpreter,
        _ => Class::CommandNotExecutable,
    };
    Err(Fault::new("execute", name, errno).with(class))
}
