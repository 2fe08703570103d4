//! A session and a session keyring of the container's own.

use super::Setup;
use crate::fault::{During, Fault};

pub(super) fn run<'a>(_: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    rustix::process::setsid().during("make a session")?;
    // Modes given by the configuration are meant as they are.
    rustix::process::umask(rustix::fs::Mode::empty());
    Ok(())
}

pub(super) fn keyring<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(name) = &setup.plan.keyring else {
        return Ok(());
    };
    match sys::keyring::join_session(name) {
        // A kernel without keyrings has none to leak.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(()),
        joined => joined.on("join session keyring", name),
    }
}
