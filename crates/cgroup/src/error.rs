//! Why an operation on a control group failed.

use crate::resctrl::Refused;
use std::io;
use std::path::{Path, PathBuf};
use types::{ErrorKind, Kind};

/// Why an operation on a control group failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the group or of procfs.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read`, `open`, `create`, `remove`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A limit or a command that the kernel did not take.
    #[error("cannot write {value} to {}", path.display())]
    Write {
        /// What was written.
        value: String,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no cgroup file system.
    #[error("no cgroup hierarchy is mounted")]
    NoHierarchy,
    /// A limit whose controller this host does not have.
    #[error("{limit} needs the cgroup controller {controller}, which is not there")]
    NoController {
        /// The field of the resources document.
        limit: &'static str,
        /// The controller.
        controller: &'static str,
    },
    /// A limit that makes no sense.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// The field of the resources document.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// The group to be made is another one's already.
    #[error("container's cgroup is not empty: {count} process(es) found in {}", path.display())]
    NotEmpty {
        /// The group.
        path: PathBuf,
        /// How many processes it has.
        count: usize,
    },
    /// The group to be made is there and frozen: whatever joins it would hang.
    #[error("container's cgroup unexpectedly frozen: {}", path.display())]
    Frozen {
        /// The group.
        path: PathBuf,
    },
    /// Processes did not freeze.
    #[error("cannot freeze {}: some processes still run", path.display())]
    NotFrozen {
        /// The group.
        path: PathBuf,
    },
    /// systemd is asked to make a group, and is not there.
    #[error("systemd not running on this host, cannot use systemd cgroups manager")]
    NoSystemd,
    /// What systemd did not do.
    #[error("cannot have systemd make, change or stop a scope")]
    Systemd(#[source] Box<systemd::Error>),
    /// Classes of service are asked for, and the kernel gives none.
    #[error("linux.intelRdt needs the resctrl file system: {missing}")]
    NoResctrl {
        /// What is missing.
        missing: &'static str,
    },
    /// A share of what the processors do not share out.
    #[error(
        "{field} needs processors that share out {resource}, which info in resctrl does not have"
    )]
    NoResource {
        /// The field of the document.
        field: &'static str,
        /// The resource's name in resctrl.
        resource: &'static str,
    },
    /// A change of a class of service that the kernel did not take.
    #[error(transparent)]
    Resctrl(Box<Refused>),
    /// Something that is not done here.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
}

impl Error {
    /// `read(..).map_err(Error::io("read", path))`
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

impl From<systemd::Error> for Error {
    fn from(source: systemd::Error) -> Self {
        Self::Systemd(Box::new(source))
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind().into(),
            Self::Resctrl(refused) => refused.source.kind().into(),
            Self::Write { .. } | Self::Invalid { .. } => ErrorKind::InvalidArgument,
            Self::NoHierarchy
            | Self::NoController { .. }
            | Self::NoResctrl { .. }
            | Self::NoResource { .. }
            | Self::NoSystemd
            | Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Systemd(source) => source.kind(),
            Self::NotEmpty { .. } | Self::Frozen { .. } => ErrorKind::Conflict,
            Self::NotFrozen { .. } => ErrorKind::DeadlineExceeded,
        }
    }
}
