//! Looks for the program, as the user who will execute it: a missing one fails the creation.

use super::Setup;
use crate::fault::{Class, Fault};
use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::Errno;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let process = &setup.plan.process;
    let (mut refused, mut missing) = (None, Errno::NOENT);
    for (place, candidate) in process.candidates.iter().enumerate() {
        match check(candidate) {
            Ok(()) => {
                setup.command = place;
                return Ok(());
            }
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => missing = errno,
            Err(errno) => refused = Some(errno),
        }
    }
    let name = process.arguments.strings().first();
    let name = name.map_or(&b""[..], |name| name.to_bytes());
    Err(match refused {
        None => Fault::new("find", name, missing).with(Class::CommandNotFound),
        Some(errno) => Fault::new("execute", name, errno).with(Class::CommandNotExecutable),
    })
}

fn check(path: &std::ffi::CStr) -> Result<(), Errno> {
    let found = stat(path)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}
