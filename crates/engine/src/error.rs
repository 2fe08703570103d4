//! Why an operation on a container failed.

use crate::ParseError;
use crate::container_spec::PORT_SPECIFICATION;
use std::io;
use std::path::{Path, PathBuf};
use types::{ContainerId, ErrorKind, Kind, Resource};

/// Why an operation on a container failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has this name, id or start of an id.
    #[error("No such {}: {}", .0.kind, .0.name)]
    NotFound(Resource),
    /// Several ids start so.
    #[error("Multiple IDs found with provided prefix: {prefix}")]
    Ambiguous {
        /// The caller's words.
        prefix: String,
    },
    /// Another container has the name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". \
         You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameInUse {
        /// The name, without a slash.
        name: String,
        /// Whose it is.
        id: ContainerId,
    },
    /// A field of the request cannot be so.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// The field, as the request names it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What was asked for cannot be had, which is told when the container is started.
    #[error("{reason}")]
    Unmet {
        /// The field, as the request names it.
        field: &'static str,
        /// What stands against it: dockerd's whole sentence.
        reason: String,
    },
    /// An option is understood, and not offered here.
    #[error("{option} is not supported: {reason}")]
    Unsupported {
        /// The option, as the request names it.
        option: String,
        /// Why, or what to use instead.
        reason: &'static str,
    },
    /// The container's state does not allow it.
    #[error("cannot {action} container {id}: {problem}")]
    State {
        /// What was attempted.
        action: &'static str,
        /// On which.
        id: ContainerId,
        /// What stands against it.
        problem: Problem,
    },
    /// The program could not be executed.
    #[error("{message}")]
    Command {
        /// In which container.
        id: ContainerId,
        /// What a shell's exit status would be: 126 or 127.
        exit_code: u8,
        /// Which file, and why.
        message: String,
    },
    /// The supervisor refused or failed.
    #[error("cannot {action} container {id}")]
    Task {
        /// What was attempted.
        action: &'static str,
        /// On which.
        id: ContainerId,
        /// What it said.
        source: task::Error,
    },
    /// Supervisors could not be prepared or taken over.
    #[error("cannot take over the containers that run")]
    Supervisors {
        /// Why.
        source: task::Error,
    },
    /// The containers' directories could not be prepared or cleaned up.
    #[error("cannot prepare the containers' directories")]
    Containers {
        /// Why.
        source: snapshot::Error,
    },
    /// The image could not be used.
    #[error("cannot use image {image}")]
    Image {
        /// The caller's words.
        image: String,
        /// Which kind of failure it was.
        kind: ErrorKind,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The image is for another system.
    #[error("image operating system {os:?} cannot be used on this platform: {image}")]
    System {
        /// The caller's words.
        image: String,
        /// The system it is for.
        os: String,
    },
    /// The log could not be read.
    #[error("cannot read the log of container {id}")]
    Log {
        /// Whose.
        id: ContainerId,
        /// Why.
        source: logs::Error,
    },
    /// A container's output cannot be kept or sent as its options say.
    #[error("failed to initialize logging driver: {reason}")]
    Logging {
        /// Why, in dockerd's words.
        reason: String,
    },
    /// The files of a log cannot be looked after.
    #[error("cannot look after a log")]
    LogFiles {
        /// Why.
        source: logs::Error,
    },
    /// The writable part could not be made, measured or removed.
    #[error("cannot {action} the root file system of container {id}")]
    Snapshot {
        /// What was attempted.
        action: &'static str,
        /// On which.
        id: ContainerId,
        /// Why.
        source: snapshot::Error,
    },
    /// A volume's name cannot be so.
    #[error("create {name}")]
    VolumeName {
        /// The caller's words.
        name: String,
        /// What is wrong with them.
        source: volume::NameError,
    },
    /// No such driver is known.
    #[error("create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found")]
    VolumeDriver {
        /// The volume.
        name: String,
        /// The driver.
        driver: String,
    },
    /// More memory than memory and swap may be together. COMPAT: dockerd's words.
    #[error(
        "Cannot update container {id}: Memory limit should be smaller than already set memoryswap \
         limit, update the memoryswap at the same time"
    )]
    SwapLimit {
        /// The container.
        id: ContainerId,
    },
    /// A container has the volume, or is being made with it.
    #[error("remove {name}: volume is in use - [{}]", list(users))]
    VolumeInUse {
        /// The volume.
        name: volume::Name,
        /// Who has it.
        users: Vec<ContainerId>,
    },
    /// A volume could not be made, mounted or removed.
    #[error("{action} {name}")]
    Volume {
        /// What was attempted.
        action: &'static str,
        /// On which.
        name: volume::Name,
        /// Why.
        source: volume::Error,
    },
    /// The volumes could not be prepared or cleaned up.
    #[error("cannot prepare the volumes")]
    Volumes {
        /// Why.
        source: volume::Error,
    },
    /// What the image has could not be copied into a volume.
    #[error("cannot fill volume {name}")]
    VolumeContents {
        /// Which.
        name: volume::Name,
        /// Why.
        source: unpack::Error,
    },
    /// A container's files could not be reached.
    #[error("cannot {action} the files of container {id}")]
    Files {
        /// What was attempted.
        action: &'static str,
        /// On which.
        id: ContainerId,
        /// Why.
        source: container::Error,
    },
    /// A path in a container leads to nothing.
    #[error("lstat {absolute}")]
    Path {
        /// The caller's words.
        path: String,
        /// The path from the container's root.
        absolute: String,
        /// Why.
        source: io::Error,
    },
    /// What is to be written to cannot be.
    #[error("{0}")]
    ReadOnly(&'static str),
    /// A container's files could not be read or written.
    #[error("cannot {action} the files of container {id}")]
    Contents {
        /// What was attempted.
        action: &'static str,
        /// Of which.
        id: ContainerId,
        /// Why.
        source: unpack::Error,
    },
    /// The database failed.
    #[error("cannot {action}")]
    Store {
        /// What was attempted.
        action: &'static str,
        /// Why.
        source: metadata::Error,
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
    /// A network does not allow it.
    #[error(transparent)]
    Network(#[from] crate::NetworkError),
    /// A container's networks could not be joined.
    #[error("failed to set up container networking")]
    Networking {
        /// Why.
        source: Box<Error>,
    },
    /// The container whose network is to be joined is not there.
    #[error("joining network namespace of container")]
    Join {
        /// Why.
        source: Box<Error>,
    },
    /// A container that another one is to find by link cannot be found so.
    #[error("{reason}")]
    Link {
        /// Why, in dockerd's words.
        reason: String,
    },
    /// Another container's namespace cannot be joined.
    #[error("failed to join {namespace} namespace: {reason}")]
    JoinNamespace {
        /// `PID`, `IPC` or `user`.
        namespace: &'static str,
        /// Why, in dockerd's words.
        reason: String,
        /// Which kind of failure it is.
        kind: ErrorKind,
    },
    /// The namespaces of a container's users cannot be made.
    #[error("cannot make the namespaces of container {id}")]
    Namespaces {
        /// Whose.
        id: ContainerId,
        /// Why.
        source: container::Error,
    },
    /// An exec that was to be resized is not started. COMPAT: dockerd's words.
    #[error("timeout waiting for exec session ready")]
    NotReady,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// What of a container's state stands against an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It runs, and would have to be stopped first.
    Running,
    /// It does not run.
    NotRunning,
    /// It is paused.
    Paused,
    /// It is not paused.
    NotPaused,
    /// It was started already: nothing is left to do.
    AlreadyStarted,
    /// It does not run already: nothing is left to do.
    AlreadyStopped,
    /// It waits to be started again.
    Restarting,
    /// It is being removed.
    Removing,
    /// Its removal failed half-way.
    Dead,
    /// The exec was started before, and runs.
    Executing,
    /// The exec was started before, and has ended.
    AlreadyExecuted,
    /// Its output is not kept where it could be read.
    NoLog,
    /// Its files are being read or written from outside.
    FilesInUse,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => {
                "container is running: stop the container before removing or force remove"
            }
            Self::NotRunning => "container is not running",
            Self::Paused => "container is paused",
            Self::NotPaused => "container is not paused",
            Self::AlreadyStarted => "container is already started",
            Self::AlreadyStopped => "container is already stopped",
            Self::Restarting => "container is restarting, wait until the container is running",
            Self::Removing => "container is marked for removal",
            Self::Dead => "container is dead",
            Self::Executing => "exec is running already",
            Self::AlreadyExecuted => "exec was started already",
            Self::FilesInUse => "its files are being read or written from outside",
            Self::NoLog => "configured logging driver does not support reading",
        })
    }
}

impl Error {
    pub(crate) fn no_container(name: &str) -> Self {
        Self::NotFound(Resource {
            kind: "container",
            name: name.to_owned(),
        })
    }

    pub(crate) fn no_exec(name: &str) -> Self {
        Self::NotFound(Resource {
            kind: "exec instance",
            name: name.to_owned(),
        })
    }

    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            reason: reason.into(),
        }
    }

    pub(crate) fn unmet(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Unmet {
            field,
            reason: reason.into(),
        }
    }

    pub(crate) fn state(action: &'static str, id: &ContainerId, problem: Problem) -> Self {
        Self::State {
            action,
            id: id.clone(),
            problem,
        }
    }

    pub(crate) fn volume(
        action: &'static str,
        name: &volume::Name,
    ) -> impl FnOnce(volume::Error) -> Self {
        move |source| Self::Volume {
            action,
            name: name.clone(),
            source,
        }
    }

    pub(crate) fn files(
        action: &'static str,
        id: &ContainerId,
    ) -> impl FnOnce(container::Error) -> Self {
        move |source| Self::Files {
            action,
            id: id.clone(),
            source,
        }
    }

    pub(crate) fn path(path: &str, absolute: &str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |error| Self::Path {
            path: path.to_owned(),
            absolute: absolute.to_owned(),
            source: error.into(),
        }
    }

    pub(crate) fn contents(
        action: &'static str,
        id: &ContainerId,
    ) -> impl FnOnce(unpack::Error) -> Self {
        move |source| Self::Contents {
            action,
            id: id.clone(),
            source,
        }
    }

    pub(crate) fn store(action: &'static str) -> impl FnOnce(metadata::Error) -> Self {
        move |source| Self::Store { action, source }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The supervisor's words; a program that cannot be executed is an error of the caller's.
    pub(crate) fn task(action: &'static str, id: &ContainerId) -> impl FnOnce(task::Error) -> Self {
        move |source| match source {
            task::Error::Command {
                exit_code, message, ..
            } => Self::Command {
                id: id.clone(),
                exit_code,
                message,
            },
            task::Error::NotRunning { .. } => Self::state(action, id, Problem::NotRunning),
            // It has ended, and its exit is on the way.
            task::Error::Shim {
                action: "signal",
                kind: ErrorKind::Conflict,
                ..
            } => Self::state(action, id, Problem::NotRunning),
            source => Self::Task {
                action,
                id: id.clone(),
                source,
            },
        }
    }
}

fn list(ids: &[ContainerId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ContainerId::as_str).collect();
    ids.join(", ")
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        let reason = match error.what {
            // COMPAT: dockerd says no more.
            PORT_SPECIFICATION => format!("{:?}", error.text),
            _ => format!("{:?}: {}", error.text, error.reason),
        };
        Self::Invalid {
            field: error.what,
            reason,
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::VolumeDriver { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. } | Self::Invalid { .. } | Self::Command { .. } => {
                ErrorKind::InvalidArgument
            }
            Self::VolumeName { .. } | Self::System { .. } => ErrorKind::InvalidArgument,
            Self::NameInUse { .. } | Self::VolumeInUse { .. } | Self::SwapLimit { .. } => {
                ErrorKind::Conflict
            }
            Self::Volume { source, .. } | Self::Volumes { source } => source.kind(),
            Self::VolumeContents { source, .. } | Self::Contents { source, .. } => source.kind(),
            Self::Path { source, .. } => source.kind().into(),
            Self::ReadOnly(_) => ErrorKind::InvalidArgument,
            Self::Files { source, .. } | Self::Namespaces { source, .. } => source.kind(),
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::State { problem, .. } => match problem {
                Problem::AlreadyStarted | Problem::AlreadyStopped => ErrorKind::NotModified,
                Problem::NoLog => ErrorKind::Unsupported,
                _ => ErrorKind::Conflict,
            },
            Self::Task { source, .. } | Self::Supervisors { source } => source.kind(),
            Self::Image { kind, .. } | Self::JoinNamespace { kind, .. } => *kind,
            Self::Snapshot { source, .. } | Self::Containers { source } => source.kind(),
            Self::Store { source, .. } => source.kind(),
            Self::Log { source, .. } | Self::LogFiles { source } => source.kind(),
            Self::Logging { .. } => ErrorKind::Internal,
            Self::Network(source) => source.kind(),
            Self::Networking { source } => source.kind(),
            Self::Io { source, .. } => source.kind().into(),
            Self::Join { .. } | Self::Link { .. } | Self::Unmet { .. } => ErrorKind::Internal,
            Self::NotReady => ErrorKind::DeadlineExceeded,
            Self::Stopping => ErrorKind::Unavailable,
        }
    }

    fn resource(&self) -> Option<Resource> {
        match self {
            Self::NotFound(resource) => Some(resource.clone()),
            Self::Image { image, kind, .. } => (*kind == ErrorKind::NotFound).then(|| Resource {
                kind: "image",
                name: image.clone(),
            }),
            _ => None,
        }
    }
}
