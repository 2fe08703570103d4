//! The shim that is started ahead, for whichever sandbox comes next.

use crate::executable::Executable;
use crate::shim::{Shim, launch};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use tokio::process::Child;
use types::ContainerId;

/// A shim that waits for its sandbox. It ends when this is dropped, or the daemon ends.
#[derive(Debug)]
pub(crate) struct Spare {
    socket: OwnedFd,
    child: Child,
}

impl Spare {
    /// Starts one; `shims` is the directory of run directories.
    pub(crate) fn start(executable: &Executable, shims: &Path) -> io::Result<Self> {
        let arguments = ["spare".as_ref(), "--directory".as_ref(), shims.as_os_str()];
        let (socket, child) = launch(executable, &arguments)?;
        Ok(Self { socket, child })
    }

    /// Makes it the shim of `sandbox`; `None` if it has ended meanwhile.
    pub(crate) fn give(mut self, sandbox: &ContainerId) -> Option<(Shim, Child)> {
        let lives = matches!(self.child.try_wait(), Ok(None));
        let mut socket = UnixStream::from(self.socket);
        // In one piece: with the first it wakes up.
        let line = format!("{sandbox}\n");
        if !lives || socket.write_all(line.as_bytes()).is_err() {
            // Nothing but its end is wanted.
            tokio::spawn(async move { self.child.wait().await });
            return None;
        }
        let shim = Shim::over(sandbox, socket.into()).ok()?;
        Some((shim, self.child))
    }
}
