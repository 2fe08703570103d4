//! The process's own surroundings.

use anyhow::Context;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid, umask};

/// Sets what every daemon needs: one heap, a known umask, and as many descriptors as are allowed.
pub(crate) fn prepare() -> anyhow::Result<()> {
    sys::memory::share_heap();
    umask(Mode::WGRP | Mode::WOTH);
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")
}

/// Leaves the session, and so the terminal, of the client that started this daemon.
pub(crate) fn detach() -> anyhow::Result<()> {
    std::env::set_current_dir("/").context("cannot change to /")?;
    match setsid() {
        // A process that leads a group leads it alone already.
        Ok(_) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error).context("cannot leave the session"),
    }
}
