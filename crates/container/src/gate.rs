//! The gate: where a container that is made waits for its start.
//!
//! A parent that stays holds it by the channel that it has anyway. Where create and start are
//! processes of their own, the child listens on a socket in the state directory: unlike a FIFO
//! it needs no path, no permission and no procfs on the child's side, a start of a container
//! that has died is refused at once, and the same connection tells what fails after it.

use crate::Error;
use crate::channel::{self, Received, Tag};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How the start is told.
#[derive(Debug)]
pub enum Gate<'a> {
    /// By [`crate::Init::start`].
    Held,
    /// By [`start`], maybe from another process.
    Waiting(&'a Waiting),
    /// By a byte that comes out of this pipe, maybe before anybody waits for it. If the pipe ends
    /// without one, so does the container.
    Promised(BorrowedFd<'a>),
    /// Not at all: the program runs as soon as it can.
    Open,
}

impl Gate<'_> {
    /// Whether the program runs without a word to its parent.
    pub(crate) fn opens_itself(&self) -> bool {
        matches!(self, Gate::Promised(_) | Gate::Open)
    }
}

/// A gate with a place in the file system.
#[derive(Debug)]
pub struct Waiting {
    listener: OwnedFd,
}

impl Waiting {
    /// Makes the gate at `path`, where nothing must be. Only the owner can open it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let make = || -> io::Result<OwnedFd> {
            let (_dir, address) = address(path)?;
            let listener = socket()?;
            rustix::net::bind(&listener, &address)?;
            rustix::fs::chmodat(
                rustix::fs::CWD,
                path,
                Mode::RUSR | Mode::WUSR,
                AtFlags::empty(),
            )?;
            rustix::net::listen(&listener, 1)?;
            Ok(listener)
        };
        let listener = make().map_err(Error::host("make the gate", path))?;
        Ok(Self { listener })
    }

    pub(crate) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn socket() -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// An address of any length: through a descriptor of the directory, which must stay open.
fn address(path: &Path) -> io::Result<(OwnedFd, SocketAddrUnix)> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or(OsStr::new(""));
    let dir = rustix::fs::open(
        dir,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let short = Path::new("/proc/self/fd")
        .join(dir.as_raw_fd().to_string())
        .join(name);
    let address = SocketAddrUnix::new(&short)?;
    Ok((dir, address))
}

/// Starts the container that waits at `path`, and returns once its program runs.
///
/// The gate's file is removed: a container starts once.
pub fn start(path: &Path) -> Result<(), Error> {
    let connect = || -> io::Result<OwnedFd> {
        let (_dir, address) = address(path)?;
        let connection = socket()?;
        rustix::net::connect(&connection, &address)?;
        Ok(connection)
    };
    let connection = connect().map_err(|source| Error::NotWaiting {
        path: path.to_owned(),
        source,
    })?;
    std::fs::remove_file(path).map_err(Error::host("remove the gate", path))?;
    released(connection.as_fd())
}

/// Sends the start and waits until the program runs.
pub(crate) fn released(channel: BorrowedFd<'_>) -> Result<(), Error> {
    channel::send(channel, Tag::Start, 0, None).map_err(Error::process("start the container"))?;
    executed(channel)
}

/// Waits until exec closes the other end, or a failure comes. If nobody is to be waited for, as
/// the child has executed already, all is well unless it told a failure.
pub(crate) fn executed(channel: BorrowedFd<'_>) -> Result<(), Error> {
    let received = match channel::receive(channel) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
        received => received,
    };
    match received.map_err(Error::process("wait for the exec"))? {
        Received::End => Ok(()),
        Received::Failed(error) => Err(error),
        Received::Message(tag, ..) => {
            let source = io::Error::other(format!("unexpected message {tag:?}"));
            Err(Error::process("wait for the exec")(source))
        }
    }
}
