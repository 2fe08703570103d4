//! An executable that nothing inside a container can write to.
//!
//! A process that runs our program inside a container shows it as `/proc/PID/exe`, and an image
//! can make that our own init by naming `/proc/self/exe` as its program or interpreter
//! (CVE-2019-5736). So before a container is touched we execute ourselves again from a copy that
//! cannot be written: [`sys::seal`] says how.

use crate::log;
use anyhow::{Context, Result};
use sys::seal::Sealed;

/// Executes ourselves again, unless that was done.
pub(crate) fn ensure() -> Result<()> {
    let sealed = sys::seal::ensure().context("execute a sealed copy of the runtime")?;
    // COMPAT: runc's words, which tools look for in a debug log, for what is no copy in memory.
    if sealed == Sealed::Mount {
        log::debug("runc exeseal: using overlayfs for sealed /proc/self/exe");
    }
    log::debug("runc exeseal: using /proc/self/exe clone");
    Ok(())
}
