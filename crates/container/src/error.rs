//! Why a container or a process in it could not be made.

use std::io;
use std::path::PathBuf;
use sys::feature::Feature;
use types::{ErrorKind, Kind};

/// Why [`crate::create`], [`crate::exec`] or [`crate::start`] failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for what cannot be.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field as the runtime specification names it, with its index.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration asks for what corten does not do.
    #[error("{field}: not supported: {what}")]
    Unsupported {
        /// The field as the runtime specification names it.
        field: String,
        /// What is asked for.
        what: String,
    },
    /// The kernel lacks a feature that the configuration needs.
    #[error("{field}: this kernel has no {feature}")]
    KernelTooOld {
        /// The field that needs it.
        field: String,
        /// The feature, with its first version.
        feature: Feature,
    },
    /// Something on the host could not be prepared.
    #[error("{action} {}", path.display())]
    Host {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The process could not be cloned, or talked to.
    #[error("{action}")]
    Process {
        /// What was attempted.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A named step of the set-up failed inside.
    #[error("{step}: {action} {object:?}")]
    Step {
        /// The step's name, one of [`crate::step_names`].
        step: &'static str,
        /// What was attempted.
        action: String,
        /// On what.
        object: String,
        /// Why not.
        source: io::Error,
    },
    /// A mount of the configuration failed.
    ///
    /// COMPAT: runc's words, which callers match on.
    #[error("error mounting {mount}: {action}")]
    Mount {
        /// Its source and its destination, in words.
        mount: String,
        /// What was attempted.
        action: String,
        /// Why not.
        source: io::Error,
    },
    /// The set-up process ended without a word, most probably killed.
    #[error("container process ended during {during} with status {status}")]
    Died {
        /// Between which steps.
        during: &'static str,
        /// Its wait status, in words.
        status: String,
    },
    /// The program does not exist, in the root or on its PATH: exit status 127.
    ///
    /// COMPAT: Go's words for both.
    #[error("exec: {command:?}: {}", sought(command))]
    CommandNotFound {
        /// The first argument.
        command: String,
        /// `ENOENT`, or `ENOTDIR` on the way to it.
        source: io::Error,
    },
    /// The program exists but cannot be executed: exit status 126.
    #[error("exec: {command:?}")]
    CommandNotExecutable {
        /// The first argument.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// The program's user or group is not in the container's own files.
    ///
    /// COMPAT: docker's words, which its clients show.
    #[error("unable to find {} {name}: no matching entries in {} file",
        if file.ends_with("group") { "group" } else { "user" },
        file.trim_start_matches("/etc/"))]
    NoAccount {
        /// `/etc/passwd` or `/etc/group`.
        file: String,
        /// Who was looked for.
        name: String,
    },
    /// A hook failed.
    #[error("error running {stage} hook #{index}: {path:?}: {reason}")]
    Hook {
        /// The list that it is of, as the specification names it.
        stage: &'static str,
        /// Its place in the list.
        index: usize,
        /// Its program.
        path: String,
        /// What happened.
        reason: String,
    },
    /// Ids of a mount cannot be mapped.
    #[error("map ids of {}{}", path.display(), why_unmapped(*file_system, source))]
    Ids {
        /// What is mounted.
        path: PathBuf,
        /// The kind of its file system, as statfs(2) tells it.
        file_system: u64,
        /// The kernel's word.
        source: io::Error,
    },
    /// The container's root is not the root of its mount namespace: joining would leave it.
    #[error("process {pid} is not in the root of its mount namespace")]
    ForeignRoot {
        /// The container's init.
        pid: i32,
    },
    /// The control group cannot be joined.
    #[error("join the control group")]
    Cgroup {
        /// Why not.
        source: cgroup::Error,
    },
    /// A network device cannot move in.
    #[error("linux.netDevices: move {name:?} in")]
    Interface {
        /// Its name on the host.
        name: String,
        /// Why not.
        source: net::Error,
    },
    /// Nothing waits at the gate: it was started already, or has ended.
    #[error("nothing waits to be started at {}", path.display())]
    NotWaiting {
        /// The gate.
        path: PathBuf,
        /// Why the gate could not be reached.
        source: io::Error,
    },
}

/// How a program was sought: by its path, or in those of PATH, of which nothing more is to be said.
fn sought(command: &str) -> String {
    match command.contains('/') {
        true => format!("stat {command}"),
        false => "executable file not found in $PATH".to_owned(),
    }
}

impl Error {
    /// The exit status that shells and Docker give to this failure of a command.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::CommandNotFound { .. } => 127,
            Self::CommandNotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// Whether the container's own init failed, not who makes it.
    pub fn is_of_init(&self) -> bool {
        match self {
            Self::Step { .. }
            | Self::Mount { .. }
            | Self::CommandNotFound { .. }
            | Self::CommandNotExecutable { .. }
            | Self::NoAccount { .. } => true,
            Self::Hook { stage, .. } => ["createContainer", "startContainer"].contains(stage),
            _ => false,
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unsupported {
            field: field.into(),
            what: what.into(),
        }
    }

    /// An error of the host's as one of this mount.
    pub(crate) fn of_mount(self, mount: &oci::runtime::Mount) -> Self {
        match self {
            Self::Host {
                action,
                path,
                source,
            } => Self::Mount {
                mount: Self::named(&mount.source, &mount.destination),
                action: format!("{action} {}", path.display()),
                source,
            },
            other => other,
        }
    }

    /// What an error says of a mount.
    pub(crate) fn named(source: &str, destination: &str) -> String {
        format!("{source:?} to rootfs at {destination:?}")
    }

    pub(crate) fn process(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Process { action, source }
    }

    pub(crate) fn host(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Host {
            action,
            path,
            source,
        }
    }
}

/// What the kernel's word for ids that are not mapped does not say: it is about the file system.
fn why_unmapped(file_system: u64, source: &io::Error) -> &'static str {
    const TMPFS: u64 = 0x0102_1994;
    match (source.kind(), file_system) {
        (io::ErrorKind::InvalidInput, TMPFS) => ", a tmpfs, of which Linux can since 6.3",
        (io::ErrorKind::InvalidInput, _) => ", of whose file system this kernel cannot",
        _ => "",
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::CommandNotFound { .. } | Self::NoAccount { .. } => {
                ErrorKind::InvalidArgument
            }
            Self::Unsupported { .. } | Self::KernelTooOld { .. } => ErrorKind::Unsupported,
            Self::CommandNotExecutable { .. } => ErrorKind::PermissionDenied,
            Self::Host { source, .. }
            | Self::Ids { source, .. }
            | Self::Process { source, .. }
            | Self::Mount { source, .. }
            | Self::Step { source, .. } => source.kind().into(),
            Self::Cgroup { source } => source.kind(),
            Self::Interface { source, .. } => source.kind(),
            Self::Died { .. } | Self::Hook { .. } => ErrorKind::Internal,
            Self::ForeignRoot { .. } | Self::NotWaiting { .. } => ErrorKind::Conflict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_not_mapped_name_what_cannot() {
        for (file_system, errno, words) in [
            (
                0x0102_1994,
                invalid(),
                "map ids of /a, a tmpfs, of which Linux can since 6.3",
            ),
            (
                0xef53,
                invalid(),
                "map ids of /a, of whose file system this kernel cannot",
            ),
            (
                0x0102_1994,
                io::ErrorKind::PermissionDenied.into(),
                "map ids of /a",
            ),
        ] {
            let error = Error::Ids {
                path: "/a".into(),
                file_system,
                source: errno,
            };
            assert_eq!(error.to_string(), words);
        }
    }

    fn invalid() -> io::Error {
        rustix::io::Errno::INVAL.into()
    }
}
