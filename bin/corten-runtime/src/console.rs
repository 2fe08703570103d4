//! What is told about a process outside of messages: its terminal, pidfd and pid.

use crate::arguments::Arguments;
use anyhow::{Context, Result, bail};
use container::Init;
use oci::runtime::Process;
use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Refuses combinations that leave a terminal without an owner.
pub(crate) fn check_flags(terminal: bool, detached: bool, arguments: &Arguments) -> Result<()> {
    let socket = arguments.text("console-socket").is_some();
    if detached && terminal && !socket {
        bail!("cannot allocate tty if runc will detach without setting console socket");
    }
    if (!detached || !terminal) && socket {
        bail!("cannot use console socket if runc will not detach or allocate tty");
    }
    Ok(())
}

/// Sends the terminal's master side to the socket that the caller listens on.
pub(crate) fn hand_over(arguments: &Arguments, init: &mut Init) -> Result<()> {
    let Some(console) = init.take_console() else {
        return Ok(());
    };
    let Some(path) = arguments.text("console-socket") else {
        return Ok(());
    };
    send(path, b"/dev/ptmx", console.as_fd())
}

/// Sends the process' descriptor to the socket that the caller listens on.
pub(crate) fn send_pidfd(arguments: &Arguments, init: &Init) -> Result<()> {
    match arguments.text("pidfd-socket") {
        Some(path) => send(path, b"pidfd", init.pidfd()),
        None => Ok(()),
    }
}

fn send(path: &str, name: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    let send = || {
        let socket = UnixStream::connect(path)?;
        sys::socket::send(socket.as_fd(), name, Some(fd))
    };
    send().with_context(|| format!("send a descriptor to {path}"))
}

/// Writes the pid, whole or not at all.
pub(crate) fn write_pid_file(arguments: &Arguments, pid: i32) -> Result<()> {
    let Some(path) = arguments.text("pid-file").map(Path::new) else {
        return Ok(());
    };
    let name = path.file_name().context("--pid-file names no file")?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    let draft = path.with_file_name(draft);
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o666)
            .open(&draft)?;
        file.write_all(pid.to_string().as_bytes())?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// How many descriptors the process gets beside its standard ones: systemd's, and the flag's.
pub(crate) fn preserved(arguments: &Arguments) -> Result<u32> {
    let given: u32 = arguments.number("preserve-fds")?.unwrap_or(0);
    Ok(given + listen_fds())
}

/// Tells the process of systemd's sockets, which it gets as its first descriptors.
pub(crate) fn pass_sockets(process: &mut Process) {
    let count = listen_fds();
    if count > 0 {
        process.env.push(format!("LISTEN_FDS={count}"));
        process.env.push("LISTEN_PID=1".to_owned());
    }
}

/// How many sockets systemd gave us, `sd_listen_fds(3)`.
fn listen_fds() -> u32 {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}
