//! The daemon's side.

use crate::SOCKET;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, socketpair,
};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Connects to the one that listens in `folder`.
///
/// # Errors
/// See [`is_absent`] for those by which there is none.
pub fn reach(folder: &Path) -> io::Result<OwnedFd> {
    // Through a descriptor: an address has room for 107 bytes.
    let directory = File::open(folder)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let socket = socket_with(AddressFamily::UNIX, kind, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Whether an error means that there is none, or none any more.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    )
}

/// Starts one in `folder`, and gives a connection to it. Its environment is empty but for
/// `PATH`, if that is given; what it says on standard error is kept in `log`, a file of the folder.
///
/// # Errors
/// If it does not start.
pub fn start(
    executable: &Path,
    folder: &Path,
    log: &str,
    path: Option<&str>,
) -> io::Result<(OwnedFd, Child)> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    match fs::remove_file(folder.join(SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let child = Command::new(executable)
        .arg("--directory")
        .arg(folder)
        .env_clear()
        .envs(path.map(|path| ("PATH", path)))
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(File::create(folder.join(log))?)
        .spawn()?;
    Ok((ours, child))
}
