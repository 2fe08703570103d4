//! The process's side: its command line, its place, its end.

use crate::SOCKET;
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const BACKLOG: i32 = 16;

/// What the process begins with, in its folder.
#[derive(Debug)]
pub struct Post {
    /// Its folder, as it was named.
    pub directory: PathBuf,
    /// The daemon that started it.
    pub daemon: OwnedFd,
    /// Where later daemons come; accepting does not block.
    pub listener: OwnedFd,
}

/// The `main` of the program `name`: `NAME --directory DIRECTORY`, a daemon at descriptor 0.
pub fn main(
    name: &str,
    arguments: impl IntoIterator<Item = OsString>,
    run: impl FnOnce(Post) -> io::Result<()>,
) -> ExitCode {
    let words: Vec<_> = arguments.into_iter().skip(1).collect();
    let done = match words.as_slice() {
        [flag] if flag == "--version" => version(name),
        [flag, directory] if flag == "--directory" => begin(Path::new(directory)).and_then(run),
        _ => Err(io::Error::other(format!(
            "usage: {name} --directory DIRECTORY"
        ))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{name}: {error}\n");
            // There is nobody to tell that nobody can be told.
            drop(io::stderr().write_all(text.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

fn version(name: &str) -> io::Result<()> {
    let text = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
    io::stdout().write_all(text.as_bytes())
}

fn begin(directory: &Path) -> io::Result<Post> {
    let daemon = inherited()?;
    match rustix::process::setsid() {
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    rustix::process::chdir(directory)?;
    Ok(Post {
        directory: directory.to_owned(),
        daemon,
        listener: listener()?,
    })
}

/// Descriptor 0, moved away.
fn inherited() -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}

/// Where later daemons find it. In the working directory: an address has room for 107 bytes.
fn listener() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(SOCKET)?)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Removes the folder, so that it is gone when the daemon hears of the end.
pub fn leave(directory: &Path) {
    // What cannot be removed is removed by the next one's start.
    drop(std::fs::remove_file(directory.join(SOCKET)));
    drop(std::fs::remove_dir_all(directory));
}
