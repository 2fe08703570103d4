//! The working directory, which must be inside the root.

use super::Setup;
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::target::{self, Links};
use rustix::fs::{CWD, FileType, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::AsFd;

/// As root, making it if the container is new; where root may not, the user is asked later.
pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let process = &setup.plan.process;
    let path = &process.cwd;
    match enter(path) {
        Err(Errno::ACCESS | Errno::PERM) => {
            setup.cwd_as_user = true;
            Ok(())
        }
        Err(Errno::NOENT) if setup.container().is_some() => {
            let root = setup.root()?;
            let target = &process.cwd_target;
            let (_, made) = target::place(root, target, FileType::Directory, Links::Follow)?;
            rustix::process::fchdir(made.as_fd()).on("enter working directory", path)?;
            inside(setup)
        }
        entered => {
            entered.on("enter working directory", path)?;
            inside(setup)
        }
    }
}

pub(super) fn as_user<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if !setup.cwd_as_user {
        return Ok(());
    }
    let path = &setup.plan.process.cwd;
    enter(path).on("enter working directory", path)?;
    inside(setup)
}

/// Without magic links: `/proc/self/fd/3` is a descriptor of ours, wherever it leads.
fn enter(path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut resolve = ResolveFlags::empty();
    resolve.set(ResolveFlags::NO_MAGICLINKS, Guard::WorkingDirectory.holds());
    let directory = sys::resolve::open(CWD, path, flags, resolve)?;
    rustix::process::fchdir(directory)
}

/// A directory reached by a leaked descriptor has no path in this root.
fn inside<'a>(setup: &Setup<'a>) -> Result<(), Fault<'a>> {
    let path = &setup.plan.process.cwd;
    let mut buffer = [0; 4096];
    match sys::directory::current(&mut buffer) {
        Ok(current) if current.to_bytes().starts_with(b"/") => Ok(()),
        _ if !Guard::WorkingDirectory.holds() => Ok(()),
        _ => Err(Errno::XDEV).on("find inside the root working directory", path),
    }
}
