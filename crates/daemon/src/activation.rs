//! Sockets that systemd opened: `LISTEN_FDS` of them from descriptor 3, for `LISTEN_PID`.

use anyhow::{Context, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

/// The first of them.
const FIRST: i32 = 3;

/// A socket that was opened for us.
#[derive(Debug)]
pub(crate) enum Activated {
    /// Of the Unix family.
    Unix(UnixListener),
    /// Of TCP.
    Tcp(TcpListener),
}

/// The sockets that are for this process.
pub(crate) fn sockets() -> anyhow::Result<Vec<Activated>> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let count = count(
        &variable("LISTEN_PID"),
        &variable("LISTEN_FDS"),
        std::process::id(),
    );
    (FIRST..FIRST + count).map(inherit).collect()
}

fn count(pid: &str, fds: &str, own: u32) -> i32 {
    match (pid.parse::<u32>(), fds.parse::<u16>()) {
        (Ok(pid), Ok(count)) if pid == own => count.into(),
        _ => 0,
    }
}

fn inherit(number: i32) -> anyhow::Result<Activated> {
    let what = || format!("cannot take over the socket of descriptor {number}");
    let fd = sys::fds::borrow(number).with_context(what)?;
    fcntl_setfd(fd, FdFlags::CLOEXEC).with_context(what)?;
    let own: OwnedFd = fd.try_clone_to_owned().with_context(what)?;
    match socket_domain(&own).with_context(what)? {
        AddressFamily::UNIX => Ok(Activated::Unix(own.into())),
        AddressFamily::INET | AddressFamily::INET6 => Ok(Activated::Tcp(own.into())),
        family => bail!("descriptor {number}: sockets of family {family:?} are not served"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_is_for_this_process_counts() {
        assert_eq!(super::count("7", "2", 7), 2);
        assert_eq!(super::count("8", "2", 7), 0);
        assert_eq!(super::count("", "", 7), 0);
        assert_eq!(super::count("7", "x", 7), 0);
    }
}
