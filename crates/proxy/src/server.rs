//! The process: its place, its thread, its end.

use crate::client::SOCKET;
use crate::control;
use crate::harden::harden;
use crate::packets;
use crate::sandbox::Shared;
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::task::{JoinSet, LocalSet};

const BACKLOG: i32 = 16;

/// Runs the proxy: `corten-proxy --directory DIRECTORY`, a daemon at descriptor 0.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = arguments.into_iter().skip(1).collect();
    let done = match words.as_slice() {
        [flag] if flag == "--version" => version(),
        [flag, directory] if flag == "--directory" => run(&PathBuf::from(directory)),
        _ => Err(io::Error::other(
            "usage: corten-proxy --directory DIRECTORY",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("corten-proxy: {error}\n");
            // There is nobody to tell that nobody can be told.
            drop(io::stderr().write_all(text.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

fn version() -> io::Result<()> {
    let text = format!("corten-proxy {}\n", env!("CARGO_PKG_VERSION"));
    io::stdout().write_all(text.as_bytes())
}

fn run(directory: &Path) -> io::Result<()> {
    let daemon = inherited()?;
    match rustix::process::setsid() {
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    rustix::process::chdir(directory)?;
    let listener = listener()?;
    crate::forward::stay_at_home()?;
    harden(directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let shared = Shared::default();
    let served = LocalSet::new().block_on(&runtime, serve(&shared, daemon, listener));
    leave(directory);
    served
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

/// The directory is gone when the daemon hears of the end.
fn leave(directory: &Path) {
    // What cannot be removed is removed by the next one's start.
    drop(std::fs::remove_file(directory.join(SOCKET)));
    drop(std::fs::remove_dir_all(directory));
}

/// Serves until there is no sandbox and no daemon.
async fn serve(shared: &Shared, daemon: OwnedFd, listener: OwnedFd) -> io::Result<()> {
    let idle = Rc::clone(&shared.borrow().idle);
    let mut connections = JoinSet::new();
    connections.spawn_local(control::serve(Rc::clone(shared), daemon));
    let listener = packets::awaited(listener, Interest::READABLE)?;
    loop {
        let accept = |listener: &OwnedFd| Ok(accept_with(listener, SocketFlags::CLOEXEC)?);
        tokio::select! {
            accepted = listener.async_io(Interest::READABLE, accept) => {
                connections.spawn_local(control::serve(Rc::clone(shared), accepted?));
            }
            () = idle.notified() => {
                if shared.borrow().is_idle() {
                    return Ok(());
                }
            }
        }
    }
}
