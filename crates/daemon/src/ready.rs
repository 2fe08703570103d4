//! Telling the client that started the daemon that it answers.

use anyhow::Context;
use rustix::io::{FdFlags, fcntl_setfd};
use std::io::Write;

/// The client's pipe.
#[derive(Debug)]
pub(crate) struct Ready(std::fs::File);

impl Ready {
    /// Takes over the descriptor of this number.
    pub(crate) fn inherit(number: i32) -> anyhow::Result<Self> {
        let fd =
            sys::fds::borrow(number).with_context(|| format!("--ready-fd {number} is not open"))?;
        fcntl_setfd(fd, FdFlags::CLOEXEC).context("cannot keep --ready-fd to this process")?;
        let own = fd
            .try_clone_to_owned()
            .context("cannot take over --ready-fd")?;
        Ok(Self(own.into()))
    }

    /// Says it. The client may have gone meanwhile.
    pub(crate) fn tell(mut self) {
        if let Err(error) = self.0.write_all(b"1") {
            tracing::debug!(%error, "nobody waits for the daemon");
        }
    }
}
