//! The security label that the program gets at its exec.

use super::{Setup, sysctl};
use crate::fault::{During, Fault};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let plan = setup.plan;
    let Some((path, label)) = &plan.process.label else {
        return Ok(());
    };
    let procfs = sysctl::procfs(setup)?;
    sysctl::write(procfs, path, label).on("write the security label to", path)
}
