//! Enters the root, and lets go of the host's.

use super::Setup;
use crate::fault::{During, Fault};
use rustix::fs::CWD;
use rustix::mount::{UnmountFlags, unmount};
use sys::mount::{Change, set_attributes};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    rustix::process::fchdir(setup.root()?).during("enter the root")?;
    // With both the same, the old root is on top of the new one: the unmount takes it away.
    rustix::process::pivot_root(c".", c".").during("pivot into the root")?;
    unmount(c".", UnmountFlags::DETACH).during("unmount the host's root")?;
    if let Some((propagation, extent)) = container.root.propagation {
        let change = Change {
            propagation: Some(propagation),
            ..Change::default()
        };
        set_attributes(CWD, c"/", &change, extent).during("set linux.rootfsPropagation")?;
    }
    Ok(())
}
