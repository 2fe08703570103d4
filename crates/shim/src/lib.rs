//! The supervisor of one sandbox: owns its processes, their stdio, logs and exit records.
//!
//! It knows how processes are held, drained, recorded and told of, in one thread around one
//! epoll. It must not know why they run, nor any database. Read first: `sandbox::Sandbox`,
//! `streams::Streams`, `exits`.
//!
//! ```text
//!   Waiting -- start --> Running -- the pidfd says ended --> Draining
//!                                                               | outputs at their end
//!                                                               v
//!                          recorded on disk, reaped, told  <--  Over
//! ```

mod ahead;
mod arguments;
mod client;
mod connection;
mod containers;
mod detach;
mod error;
mod events;
mod execs;
mod exits;
mod filter;
mod members;
mod place;
mod poll;
mod process;
mod queue;
mod record;
mod sandbox;
mod service;
mod stdio;
mod streams;
mod task_api;

use arguments::Arguments;
use error::{Error, Result, chain};
use place::Place;
use rustix::fs::{Mode, OFlags};
use sandbox::{Parts, Sandbox};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Runs the shim.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return complain(&error),
    };
    let done = match arguments {
        Arguments::Serve { sandbox, folder } => serve(sandbox, folder),
        Arguments::Version => version(),
    };
    match done {
        Ok(()) => 0,
        Err(error) => complain(&error),
    }
}

/// Serves a sandbox to the daemon at descriptor 0, whose first request is there already.
fn serve(sandbox: String, folder: PathBuf) -> Result<()> {
    let socket = inherited().map_err(Error::io("take over", Path::new("descriptor 0")))?;
    // We were executed by the number of a descriptor, which would be our name in top and pgrep.
    rustix::thread::set_name(c"corten-shim").map_err(Error::io("name", Path::new("ourselves")))?;
    // What is free is given back when there is time.
    sys::memory::keep_heap();
    let own = place::leave_caller()?;
    // Asked ahead, for the containers' processes.
    sys::signal::ignored();
    let parts = Parts::make()?;
    run(Place::take(sandbox, folder, own)?, parts, socket)
}

fn run(place: Place, parts: Parts, socket: OwnedFd) -> Result<()> {
    let mut sandbox = Sandbox::new(place, parts);
    sandbox.connect(socket)?;
    let served = sandbox.run();
    let discarded = sandbox.discard_ahead();
    sandbox.place.leave()?;
    served.and(discarded)
}

/// Descriptor 0, moved away: containers get their own.
fn inherited() -> std::io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}

fn version() -> Result<()> {
    let text = format!("corten-shim {}\n", env!("CARGO_PKG_VERSION"));
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(Error::io("write to", Path::new("stdout")))
}

fn complain(error: &dyn std::error::Error) -> u8 {
    let text = format!("corten-shim: {}\n", chain(error));
    // There is nobody to tell that nobody can be told.
    drop(std::io::stderr().write_all(text.as_bytes()));
    1
}
