//! Where a Task API caller wants a process's streams: paths of FIFOs and files.

use crate::client::Wants;
use crate::containers::Joining;
use crate::error::{Error, Result};
use proto::shim::Stdin;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The paths given for a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    /// A FIFO to read from; empty: none.
    pub stdin: String,
    /// A FIFO, or a file by its URL; empty: none.
    pub stdout: String,
    /// The same for stderr.
    pub stderr: String,
    /// The process has a terminal.
    pub terminal: bool,
}

impl Endpoints {
    /// What becomes of stdin: it ends with its FIFO's last writer.
    pub(crate) fn policy(&self) -> Stdin {
        match self.stdin.as_str() {
            "" => Stdin::Null,
            _ => Stdin::Once,
        }
    }

    /// Opens them.
    pub(crate) fn open(&self) -> Result<Vec<Joining>> {
        let mut clients = Vec::new();
        if !self.stdin.is_empty() {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            clients.push(joining(open(&self.stdin, flags)?, [true, false, false]));
        }
        if !self.stdout.is_empty() {
            clients.push(joining(output(&self.stdout)?, [false, true, false]));
        }
        if !self.stderr.is_empty() && !self.terminal {
            clients.push(joining(output(&self.stderr)?, [false, false, true]));
        }
        Ok(clients)
    }
}

fn joining(fd: OwnedFd, [stdin, stdout, stderr]: [bool; 3]) -> Joining {
    Joining {
        fd,
        wants: Wants {
            stdin,
            stdout,
            stderr,
            multiplexed: false,
            detach_keys: Vec::new(),
        },
        unread: Vec::new(),
    }
}

fn output(path: &str) -> Result<OwnedFd> {
    match path.split_once("://") {
        // Both ways, so that it opens before its reader comes and outlives it.
        None => open(path, OFlags::RDWR | OFlags::NONBLOCK),
        Some(("file", path)) => open(path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE),
        Some((scheme, _)) => Err(Error::Unsupported(format!("stdio by {scheme}://"))),
    }
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd> {
    let private = Mode::RUSR | Mode::WUSR;
    rustix::fs::open(path, flags | OFlags::CLOEXEC, private)
        .map_err(Error::io("open", Path::new(path)))
}
