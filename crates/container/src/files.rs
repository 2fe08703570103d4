//! A container's files for somebody outside of it: a detached tree that only a descriptor holds.
//!
//! The root alone and what its caller had mounted in it are in the tree; the kernel's file
//! systems are not. A running container's are cloned from its own mount namespace, so that
//! nothing is mounted over its places, which its processes may exchange for links; one that
//! does not run has its root mounted from its layers, for this tree alone. Both are put
//! together in a mount namespace that lives as long as the thread that does so. In the result
//! no device can be opened and nothing executed.

use crate::Error;
use crate::fault::Fault;
use crate::plan::{Target, clone_flags};
use crate::rootfs;
use crate::steps::move_to;
use crate::target::{self, Links};
use oci::runtime::IdMaps;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::mount::{Change, Extent, Propagation, attribute, set_attributes};
use sys::namespace::{self, Kind};
use types::{Layer, Rootfs};

/// Whose files.
#[derive(Debug)]
pub enum Files<'a> {
    /// Of a container that does not run.
    Stopped {
        /// Its root.
        rootfs: &'a Rootfs,
        /// What is mounted in it, those above before those below.
        parts: &'a [Part],
    },
    /// Of one that runs, or is frozen.
    Running {
        /// One of its processes.
        pidfd: BorrowedFd<'a>,
        /// Where something is mounted in it, those above before those below.
        targets: &'a [String],
    },
}

/// Something that is mounted in a container.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where.
    pub target: String,
    /// What.
    pub source: Source,
    /// It cannot be written to.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file or directory of the host.
    Path(PathBuf),
    /// Layers, the topmost first.
    Layers(Vec<Layer>),
    /// What this path in it leads to.
    Below(Box<Source>, String),
}

/// What the tree is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read-only.
    Read,
    /// It is as it is in the container.
    Write,
}

/// The files as a detached tree.
///
/// # Errors
/// If a mount cannot be made or cloned; the container is as it was.
pub fn tree(files: &Files<'_>, access: Access) -> Result<OwnedFd, Error> {
    // Namespaces are a thread's, so a thread of its own is all that changes.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| assemble(files, access));
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(process("mount files", io::ErrorKind::Other.into())))
    })
}

/// What a running container has at a path, with the mounts below it, as a detached tree.
///
/// # Errors
/// If it has nothing there, or the mounts cannot be cloned.
pub fn part(pidfd: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Error> {
    let clone = || {
        namespace::unshare(Kind::Mount.flag())
            .map_err(|error| process("make a mount namespace", error))?;
        let targets = [path.to_owned()];
        let (_, parts) = running(pidfd, &targets)?;
        let part = parts.into_iter().next();
        part.map(|part| part.tree)
            .ok_or_else(|| host("find in the container", path)(Errno::NOENT))
    };
    std::thread::scope(|scope| {
        let ended = scope.spawn(clone).join();
        ended.unwrap_or_else(|_| Err(process("clone files", io::ErrorKind::Other.into())))
    })
}

/// A part whose tree is there.
struct Mounted<'a> {
    target: &'a str,
    tree: OwnedFd,
    read_only: bool,
}

fn assemble(files: &Files<'_>, access: Access) -> Result<OwnedFd, Error> {
    namespace::unshare(Kind::Mount.flag())
        .map_err(|error| process("make a mount namespace", error))?;
    let private = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(CWD, c"/", &private, Extent::Tree)
        .map_err(Error::host("cut mounts off from", "/"))?;
    let (root, parts) = match files {
        Files::Stopped { rootfs, parts } => stopped(rootfs, parts)?,
        Files::Running { pidfd, targets } => running(*pidfd, targets)?,
    };
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(root.as_fd(), c"", CWD, c"/", flags).map_err(host("attach the root at", "/"))?;
    for part in &parts {
        attach(root.as_fd(), part)?;
    }
    let flags = clone_flags(Extent::Tree) | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(&root, c"", flags).map_err(host("clone the mounts of", "/"))?;
    let mut set = attribute::NODEV | attribute::NOSUID | attribute::NOEXEC;
    if access == Access::Read {
        set |= attribute::RDONLY;
    }
    let change = Change {
        set,
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(tree.as_fd(), c"", &change, Extent::Tree)
        .map_err(Error::host("change the mounts of", "/"))?;
    Ok(tree)
}

fn stopped<'a>(rootfs: &Rootfs, parts: &'a [Part]) -> Result<(OwnedFd, Vec<Mounted<'a>>), Error> {
    let root = match rootfs {
        Rootfs::Layers { lower, writable } => rootfs::mount(lower, writable.as_ref(), None)?.tree,
        Rootfs::Directory(path) | Rootfs::Shifted(path) => {
            open_tree(CWD, path, clone_flags(Extent::Tree))
                .map_err(host("open the root file system", path))?
        }
    };
    let mut mounted = Vec::with_capacity(parts.len());
    for part in parts {
        mounted.push(Mounted {
            target: &part.target,
            tree: part.source.open(Extent::Tree, None)?,
            read_only: part.read_only,
        });
    }
    Ok((root, mounted))
}

/// Goes to the container's mounts and back.
fn running<'a>(
    pidfd: BorrowedFd<'_>,
    targets: &'a [String],
) -> Result<(OwnedFd, Vec<Mounted<'a>>), Error> {
    let own = "/proc/thread-self/ns/mnt";
    let own_fd = rustix::fs::open(own, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(host("open", own))?;
    namespace::join_process(pidfd, Kind::Mount.flag())
        .map_err(|error| process("enter the container's mounts", error))?;
    let cloned = clone_live(targets);
    namespace::join(own_fd.as_fd(), Kind::Mount)
        .map_err(|error| process("leave the container's mounts", error))?;
    cloned
}

/// Here `/` is the container's: every path is resolved with it as root.
fn clone_live(targets: &[String]) -> Result<(OwnedFd, Vec<Mounted<'_>>), Error> {
    let live = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(host("open", "/"))?;
    let flags = clone_flags(Extent::Mount) | OpenTreeFlags::AT_EMPTY_PATH;
    let root = open_tree(&live, c"", flags).map_err(host("clone the mount of", "/"))?;
    let mut mounted = Vec::with_capacity(targets.len());
    for path in targets {
        let place = match inside(live.as_fd(), path) {
            Ok(place) => place,
            // The container took it away.
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(error) => return Err(host("find in the container", path)(error)),
        };
        let flags = clone_flags(Extent::Tree) | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(&place, c"", flags).map_err(host("clone the mounts of", path))?;
        mounted.push(Mounted {
            target: path,
            tree,
            read_only: false,
        });
    }
    Ok((root, mounted))
}

fn attach(root: BorrowedFd<'_>, part: &Mounted<'_>) -> Result<(), Error> {
    if part.read_only {
        let change = Change {
            set: attribute::RDONLY,
            ..Change::default()
        };
        set_attributes(part.tree.as_fd(), c"", &change, Extent::Mount)
            .map_err(Error::host("make read-only", part.target))?;
    }
    let target = Target::plan("mounts", part.target)?;
    let kind = fstat(&part.tree).map_err(host("look at the source for", part.target))?;
    let kind = FileType::from_raw_mode(kind.st_mode);
    let place = target::place(root, &target, kind, Links::Follow);
    let (_, place) = place.map_err(|fault| of_fault(&fault))?;
    move_to(part.tree.as_fd(), place.as_fd()).map_err(host("attach", part.target))
}

impl Source {
    /// A detached tree of it; layers are seen through `maps`.
    pub(crate) fn open(&self, extent: Extent, maps: Option<&IdMaps>) -> Result<OwnedFd, Error> {
        match self {
            Self::Path(path) => {
                open_tree(CWD, path, clone_flags(extent)).map_err(host("bind", path))
            }
            Self::Layers(layers) => Ok(rootfs::mount(layers, None, maps)?.tree),
            Self::Below(source, path) => {
                let top = match &**source {
                    Self::Path(top) => {
                        rustix::fs::open(top, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                            .map_err(host("bind", top))?
                    }
                    source => source.open(extent, maps)?,
                };
                let place = inside(top.as_fd(), path).map_err(host("find the subpath", path))?;
                let flags = clone_flags(extent) | OpenTreeFlags::AT_EMPTY_PATH;
                open_tree(&place, c"", flags).map_err(host("bind the subpath", path))
            }
        }
    }
}

/// A path with `root` as root of the resolution.
fn inside(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    sys::resolve::open(root, path, OFlags::PATH, resolve)
}

fn host(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Error {
    let path = path.into();
    move |error| Error::host(action, path)(error.into())
}

fn process(action: &'static str, source: io::Error) -> Error {
    Error::Process { action, source }
}

fn of_fault(fault: &Fault<'_>) -> Error {
    let object = String::from_utf8_lossy(fault.object).into_owned();
    let source = io::Error::from_raw_os_error(fault.errno);
    Error::host(fault.action, Path::new(&object).to_owned())(source)
}
