//! An executable that nothing inside a container can write to.
//!
//! A process that runs our program inside a container shows it as `/proc/PID/exe`, and an image
//! can make that our own init by naming `/proc/self/exe` as its program or interpreter
//! (CVE-2019-5736). So before a container is touched we execute ourselves again from a copy that
//! cannot be written: [`sys::seal`] says how.

use anyhow::{Context, Result};

/// Executes ourselves again, unless this is the sealed copy already.
pub(crate) fn ensure() -> Result<()> {
    sys::seal::ensure().context("execute a sealed copy of the runtime")
}
