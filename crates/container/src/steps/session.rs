//! A session and a session keyring of the container's own.

use super::{Setup, sysctl};
use crate::fault::{During, Fault};
use rustix::io::Errno;
use std::ffi::CStr;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if setup.left.is_some() {
        return Ok(());
    }
    rustix::process::setsid().during("make a session")?;
    // Modes given by the configuration are meant as they are.
    rustix::process::umask(rustix::fs::Mode::empty());
    Ok(())
}

pub(super) fn keyring<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(name) = &setup.plan.keyring else {
        return Ok(());
    };
    let label = setup.plan.process.key_label.as_deref();
    if let Some(label) = label {
        label_keys(setup, label)?;
    }
    match sys::keyring::join_session(name) {
        // A kernel without keyrings has none to leak.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
        joined => joined.on("join session keyring", name)?,
    }
    match label {
        Some(_) => label_keys(setup, b""),
        None => Ok(()),
    }
}

/// SELinux's label of keys made from now on; without one it is the kernel's choice.
fn label_keys<'a>(setup: &mut Setup<'a>, label: &[u8]) -> Result<(), Fault<'a>> {
    const PATH: &CStr = c"self/attr/keycreate";
    let procfs = sysctl::procfs(setup)?;
    match sysctl::write(procfs, PATH, label) {
        // Since Linux 2.6.18.
        Err(Errno::NOENT) => Ok(()),
        written => written.on("write the label of keys to", PATH),
    }
}
