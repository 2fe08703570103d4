//! One shim as the daemon holds it.

use crate::link::Link;
use crate::{Error, executable::Executable};
use proto::prost::{Message, Name};
use proto::shim::CommandError;
use proto::{Code, Status, run};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use types::{ContainerId, ErrorKind, ExecId, Paths};

/// How long the making of a process may take: hooks and slow disks are part of it.
const MAKING: Duration = Duration::from_secs(120);
/// How long anything else may take.
pub(crate) const ASKING: Duration = Duration::from_secs(20);

/// A shim.
#[derive(Clone, Debug)]
pub(crate) struct Shim {
    /// Its sandbox.
    pub sandbox: ContainerId,
    /// The connection to it.
    pub link: Link,
    /// Closed once its process has ended, if this daemon started it.
    ended: Option<watch::Receiver<()>>,
}

/// What a call is about, for its error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// What is attempted.
    pub action: &'static str,
    /// On which container.
    pub container: &'a ContainerId,
    /// On which further process.
    pub exec: Option<&'a ExecId>,
}

impl<'a> About<'a> {
    /// About a container.
    pub(crate) const fn container(action: &'static str, container: &'a ContainerId) -> Self {
        Self::process(action, container, None)
    }

    /// About a container's init, or its process `exec`.
    pub(crate) const fn process(
        action: &'static str,
        container: &'a ContainerId,
        exec: Option<&'a ExecId>,
    ) -> Self {
        Self {
            action,
            container,
            exec,
        }
    }
}

/// How long a shim that closed its connection may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// Starts the shim of a new sandbox.
pub(crate) fn spawn(
    executable: &Executable,
    paths: &Paths,
    sandbox: &ContainerId,
) -> Result<Shim, Error> {
    let folder = paths.shim(sandbox);
    let arguments = [
        "serve".as_ref(),
        "--sandbox".as_ref(),
        sandbox.as_str().as_ref(),
        "--directory".as_ref(),
        folder.as_os_str(),
    ];
    let start = || -> io::Result<Shim> {
        let (socket, mut child) = launch(executable, &arguments)?;
        let (end, ended) = watch::channel(());
        // The kernel's table must be rid of it.
        tokio::spawn(async move {
            drop(child.wait().await);
            drop(end);
        });
        let mut shim = Shim::over(sandbox, socket)?;
        shim.ended = Some(ended);
        Ok(shim)
    };
    start().map_err(Error::io("start a shim for", &folder))
}

/// Executes the shim, and gives our end of its socket.
pub(crate) fn launch(
    executable: &Executable,
    arguments: &[&OsStr],
) -> io::Result<(OwnedFd, Child)> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Nothing is set up between fork and exec, so that it is one vfork.
    let child = Command::new(executable.path())
        .arg0("corten-shim")
        .args(arguments)
        .env_clear()
        // Its heap is a few pages: chunks cached for speed would keep more of them.
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((ours, child))
}

/// Connects to the shim that runs already in `folder`.
pub(crate) fn connect(folder: &Path, sandbox: &ContainerId) -> io::Result<Shim> {
    // Through a descriptor: an address has room for 107 bytes.
    let directory = fs::File::open(folder)?;
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), run::SOCKET);
    let socket = StdStream::connect(path)?;
    Shim::over(sandbox, socket.into())
}

impl Shim {
    /// Speaks to the shim of `sandbox` through `socket`.
    pub(crate) fn over(sandbox: &ContainerId, socket: OwnedFd) -> io::Result<Self> {
        let socket = StdStream::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self {
            sandbox: sandbox.clone(),
            link: Link::new(UnixStream::from_std(socket)?),
            ended: None,
        })
    }

    /// Waits until its process has ended; not for long, and not for one of an earlier daemon.
    pub(crate) async fn ended(&self) {
        if let Some(mut ended) = self.ended.clone() {
            drop(tokio::time::timeout(DYING, ended.changed()).await);
        }
    }

    /// Asks, with descriptors.
    pub(crate) async fn ask<A: Message + Default>(
        &self,
        method: &str,
        about: About<'_>,
        request: &impl Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<A, Error> {
        let bound = match method {
            "Run" | "Create" | "Start" | "Exec" => MAKING,
            _ => ASKING,
        };
        let call = self.link.call(method, request.encode_to_vec(), descriptors);
        let gone = || Error::Gone {
            sandbox: self.sandbox.clone(),
        };
        let answer = tokio::time::timeout(bound, call).await;
        let response = answer.map_err(|_| gone())?.map_err(|_| gone())?;
        match response.status.filter(|status| status.code != 0) {
            Some(status) => Err(refusal(&status, about)),
            None => A::decode(response.payload.as_slice()).map_err(|_| gone()),
        }
    }

    /// The next events after number `after`, once there are some; `None`: the shim has gone.
    pub(crate) async fn events(&self, after: u64) -> Option<Vec<proto::shim::Event>> {
        let request = proto::shim::EventsRequest { after };
        let call = self.link.call("Events", request.encode_to_vec(), &[]);
        let response = call.await.ok()?;
        let answer = proto::shim::EventsResponse::decode(response.payload.as_slice()).ok()?;
        Some(answer.events)
    }
}

/// What a shim's refusal means.
fn refusal(status: &Status, about: About<'_>) -> Error {
    let container = about.container.clone();
    if let Some(command) = detail::<CommandError>(status) {
        return Error::Command {
            container,
            exit_code: u8::try_from(command.exit_code).unwrap_or(126),
            message: status.message.clone(),
        };
    }
    match (Code::of(status.code), about.exec) {
        (Code::NotFound, Some(exec)) => Error::NoExec {
            container,
            exec: exec.clone(),
        },
        (Code::NotFound, None) => Error::NotRunning { container },
        (Code::AlreadyExists, None) => Error::Exists { container },
        (code, _) => Error::Shim {
            action: about.action,
            container,
            kind: kind(code),
            message: status.message.clone(),
        },
    }
}

fn detail<M: Message + Name + Default>(status: &Status) -> Option<M> {
    status.detail()
}

fn kind(code: Code) -> ErrorKind {
    match code {
        Code::Cancelled | Code::Aborted => ErrorKind::Cancelled,
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::InvalidArgument,
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::PermissionDenied => ErrorKind::PermissionDenied,
        Code::ResourceExhausted => ErrorKind::ResourceExhausted,
        Code::FailedPrecondition => ErrorKind::Conflict,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::DataLoss => ErrorKind::DataLoss,
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::Internal | Code::Unknown => ErrorKind::Internal,
    }
}
