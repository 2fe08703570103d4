//! Which namespaces are new, and which are joined.

use super::Join;
use crate::Error;
use crate::exec::Exec;
use oci::runtime::{Linux, NamespaceKind, TimeOffset};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use sys::namespace::Kind;

/// The namespaces of a container.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// `CLONE_NEW*` bits of those that are made.
    pub(crate) new: u64,
    /// Those that are there, opened on the host, in the order in which they are joined.
    pub(crate) joined: Vec<(Kind, OwnedFd, CString)>,
    /// What is written to `timens_offsets`.
    pub(crate) offsets: String,
}

fn kind(of: NamespaceKind) -> Kind {
    match of {
        NamespaceKind::Pid => Kind::Pid,
        NamespaceKind::Network => Kind::Network,
        NamespaceKind::Mount => Kind::Mount,
        NamespaceKind::Ipc => Kind::Ipc,
        NamespaceKind::Uts => Kind::Uts,
        NamespaceKind::User => Kind::User,
        NamespaceKind::Cgroup => Kind::Cgroup,
        NamespaceKind::Time => Kind::Time,
    }
}

impl Namespaces {
    pub(crate) fn none() -> Self {
        Self {
            new: 0,
            joined: Vec::new(),
            offsets: String::new(),
        }
    }

    pub(crate) fn plan(linux: &Linux) -> Result<Self, Error> {
        let mut planned = Self::none();
        let mut seen = 0;
        for (i, namespace) in linux.namespaces.iter().enumerate() {
            let field = format!("linux.namespaces[{i}]");
            let kind = kind(namespace.kind);
            if seen & kind.flag() != 0 {
                return Err(Error::invalid(field, "is the second one of its type"));
            }
            seen |= kind.flag();
            if namespace.path.is_empty() {
                planned.new |= kind.flag();
            } else {
                planned.joined.push(open(&field, kind, &namespace.path)?);
            }
        }
        planned.joined.sort_by_key(|(kind, ..)| *kind);
        planned.offsets = offsets(&linux.time_offsets)?;
        if !planned.offsets.is_empty() && !planned.makes(Kind::Time) {
            return Err(Error::invalid(
                "linux.timeOffsets",
                "need a new time namespace",
            ));
        }
        Ok(planned)
    }

    /// Whether the container makes one of this kind.
    pub(crate) fn makes(&self, kind: Kind) -> bool {
        self.new & kind.flag() != 0
    }

    /// Whether the container joins one of this kind.
    pub(crate) fn joins(&self, kind: Kind) -> bool {
        self.joined.iter().any(|(joined, ..)| *joined == kind)
    }

    /// Whether the container has a user namespace of its own and joins others, or joins it.
    pub(crate) fn joined_with_user(&self) -> bool {
        let early = [Kind::User, Kind::Pid];
        let others = self.joined.iter().any(|(kind, ..)| !early.contains(kind));
        self.joins(Kind::User) || self.makes(Kind::User) && others
    }

    /// Whether the container has one of this kind that is not simply the caller's.
    pub(crate) fn own(&self, kind: Kind) -> bool {
        self.makes(kind) || self.joins(kind)
    }
}

fn open(field: &str, kind: Kind, path: &str) -> Result<(Kind, OwnedFd, CString), Error> {
    let ours = path.strip_prefix("/proc/self/fd/");
    let ours = ours.and_then(|number| sys::fds::borrow(number.parse().ok()?));
    let opened = match ours {
        // Without a walk through procfs.
        Some(fd) => rustix::io::fcntl_dupfd_cloexec(fd, 3),
        None => rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()),
    };
    let fd = opened.map_err(|errno| Error::host("open namespace", path)(errno.into()))?;
    let file = rustix::fs::fstatfs(&fd)
        .map_err(|errno| Error::host("look at namespace", path)(errno.into()))?;
    const NSFS: u64 = 0x6e73_6673;
    if u64::try_from(file.f_type).ok() != Some(NSFS) {
        return Err(Error::invalid(
            format!("{field}.path"),
            format!("{path:?} is no namespace"),
        ));
    }
    let path = super::text::c(field, path)?;
    Ok((kind, fd, path))
}

fn offsets(offsets: &BTreeMap<String, TimeOffset>) -> Result<String, Error> {
    let mut text = String::new();
    for (clock, offset) in offsets {
        if !["monotonic", "boottime"].contains(&clock.as_str()) {
            let reason = format!("{clock:?} is neither monotonic nor boottime");
            return Err(Error::invalid("linux.timeOffsets", reason));
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{clock} {} {}", offset.secs, offset.nanosecs);
    }
    Ok(text)
}

impl Join<'_> {
    /// Whether the rights to join are those of the container's user namespace, which the caller
    /// has only once it is in there itself.
    pub(crate) fn through_user_namespace(&self) -> bool {
        self.kinds & Kind::User.flag() != 0 && !rustix::process::geteuid().is_root()
    }
}

/// What a process joins: every kind that the container has of its own.
pub(crate) fn join<'a>(request: &Exec<'a>) -> Result<Join<'a>, Error> {
    let namespaces = request
        .spec
        .linux
        .iter()
        .flat_map(|linux| &linux.namespaces);
    let kinds = namespaces.fold(0, |kinds, namespace| kinds | kind(namespace.kind).flag());
    let path = format!("/proc/{}/root", request.pid);
    let root = rustix::fs::open(
        path.as_str(),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| Error::host("open the container's root", &path)(errno.into()))?;
    Ok(Join {
        pidfd: request.pidfd,
        pid: super::text::c("pid", &request.pid.to_string())?,
        root,
        kinds,
    })
}
