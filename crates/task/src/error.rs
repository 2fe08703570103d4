//! Why a task could not be made or driven.

use std::io;
use std::path::{Path, PathBuf};
use types::{ContainerId, ErrorKind, ExecId, Kind, Resource};

/// Why a task operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No shim holds it.
    #[error("container {container} is not running")]
    NotRunning {
        /// Which.
        container: ContainerId,
    },
    /// The container has no such process.
    #[error("container {container} has no process {exec}")]
    NoExec {
        /// Which container.
        container: ContainerId,
        /// Which process.
        exec: ExecId,
    },
    /// A shim holds one of this id.
    #[error("container {container} has a live task")]
    Exists {
        /// Which.
        container: ContainerId,
    },
    /// The program could not be executed: 127 not found, 126 not executable or else.
    #[error("cannot execute in container {container}: {message}")]
    Command {
        /// In which.
        container: ContainerId,
        /// What a shell's exit status would be: 126 or 127.
        exit_code: u8,
        /// Why, and which file.
        message: String,
    },
    /// The shim refused or failed.
    #[error("cannot {action} container {container}: {message}")]
    Shim {
        /// What was attempted.
        action: &'static str,
        /// On which.
        container: ContainerId,
        /// Which kind the shim said it was.
        kind: ErrorKind,
        /// The shim's words.
        message: String,
    },
    /// The shim went away, or did not answer in time.
    #[error("shim of sandbox {sandbox} does not answer")]
    Gone {
        /// Which.
        sandbox: ContainerId,
    },
    /// A shim of another version.
    #[error("shim of sandbox {sandbox} speaks version {theirs}, this daemon {ours}")]
    Version {
        /// Which.
        sandbox: ContainerId,
        /// The shim's version.
        theirs: u32,
        /// The newest that this daemon knows.
        ours: u32,
    },
    /// Another daemon works in the same directory, which it does not find any more.
    #[error(
        "another daemon, process {pid}, still makes supervisors in {}, whose files were removed \
         under it: end it first", .folder.display()
    )]
    Rival {
        /// Its process.
        pid: i32,
        /// The directory of supervisors.
        folder: PathBuf,
    },
    /// What a dead shim left running could not be ended.
    #[error("cannot end container {container}, whose shim has died")]
    Cgroup {
        /// Which.
        container: String,
        /// Why.
        source: cgroup::Error,
    },
    /// A file or system call failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRunning { .. } | Self::Exists { .. } => ErrorKind::Conflict,
            Self::NoExec { .. } => ErrorKind::NotFound,
            Self::Command { .. } => ErrorKind::InvalidArgument,
            Self::Shim { kind, .. } => *kind,
            Self::Gone { .. } => ErrorKind::Unavailable,
            Self::Version { .. } => ErrorKind::Unsupported,
            Self::Rival { .. } => ErrorKind::Conflict,
            Self::Cgroup { source, .. } => source.kind(),
            Self::Io { source, .. } => source.kind().into(),
        }
    }

    fn resource(&self) -> Option<Resource> {
        let (kind, name) = match self {
            Self::NotRunning { container }
            | Self::Exists { container }
            | Self::Command { container, .. }
            | Self::Shim { container, .. } => ("container", container.to_string()),
            Self::NoExec { exec, .. } => ("exec", exec.to_string()),
            Self::Gone { .. }
            | Self::Version { .. }
            | Self::Rival { .. }
            | Self::Cgroup { .. }
            | Self::Io { .. } => {
                return None;
            }
        };
        Some(Resource { kind, name })
    }
}
