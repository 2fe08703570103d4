//! A container's files, read and written from outside: running, frozen or stopped.
//!
//! Nothing here resolves a path of the container on the host: every path is resolved with a
//! detached tree of the container's files as root, and archives are read and written by the
//! worker that was given that tree.

mod stat;
mod stream;

pub use stat::PathStat;
pub use stream::Archive;

use super::Containers;
use crate::context::blocking;
use crate::{Container, Error, Problem};
use container::files::{Access, Files, Part, Source};
use oci::runtime::IdMaps;
use rustix::fs::{FileType, Stat};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use tokio_util::sync::{CancellationToken, DropGuard};
use types::ContainerId;
use unpack::{Owner, Pack, Place, Placed};

/// Keeps a container's files from being mounted by another.
#[derive(Debug)]
enum Guard {
    /// It runs: its own root is used.
    Running { _guard: OwnedRwLockReadGuard<()> },
    /// It does not: its root is mounted for this alone.
    Stopped { _guard: OwnedRwLockWriteGuard<()> },
}

/// What of a container's files is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// The root and what is mounted in it.
    All,
    /// The root alone.
    Root,
}

/// A container's files as a tree.
#[derive(Debug)]
struct View {
    tree: OwnedFd,
    guard: Guard,
    /// Its owners' user namespace, if the tree has its ids as the host numbers them.
    ids: Option<IdMaps>,
    /// Says that they are to be given back.
    cut: CancellationToken,
}

/// How an archive is placed in a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extraction {
    /// No directory is replaced by something else, nor something else by a directory.
    pub strict: bool,
    /// The files belong to the container's user, if that is a number, and not to whom the
    /// archive says.
    pub own: bool,
}

impl Containers {
    /// What is at a path in a container; a link is not followed.
    ///
    /// # Errors
    /// [`Error::Path`] if nothing is there.
    pub async fn path_stat(&self, id: &ContainerId, path: &str) -> Result<PathStat, Error> {
        let view = self.view(id, Access::Read, Extent::All).await?;
        let path = path.to_owned();
        blocking(move || stat::of(&view.tree, &path)).await?
    }

    /// What is at a path in a container, as an archive.
    ///
    /// # Errors
    /// [`Error::Path`] if nothing is there.
    pub async fn archive(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> Result<(PathStat, Archive), Error> {
        let view = self.view(id, Access::Read, Extent::All).await?;
        let wanted = path.to_owned();
        let (found, view) = blocking(move || {
            let found = stat::of(&view.tree, &wanted);
            found.map(|found| (found, view))
        })
        .await??;
        let archive = self.pack(id, view, stat::order(path, &found))?;
        let event = self.find(id)?.record.event("archive-path", []);
        self.context.events.record_later(event);
        Ok((found, archive))
    }

    /// A container's root as an archive, without what is mounted in it.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn export(&self, id: &ContainerId) -> Result<Archive, Error> {
        let view = self.view(id, Access::Read, Extent::Root).await?;
        let archive = self.pack(id, view, Pack::default())?;
        let event = self.find(id)?.record.event("export", []);
        self.context.events.record_later(event);
        Ok(archive)
    }

    /// Places an archive's members in a directory of a container. What was placed before an
    /// error stays.
    ///
    /// # Errors
    /// [`Error::Path`] if there is no such directory; [`Error::ReadOnly`];
    /// [`Error::Contents`] if the archive is refused.
    pub async fn extract(
        &self,
        id: &ContainerId,
        path: &str,
        stream: OwnedFd,
        how: Extraction,
    ) -> Result<Placed, Error> {
        let container = self.find(id)?;
        let view = self.view(id, Access::Write, Extent::All).await?;
        let place = Place {
            dir: path.to_owned(),
            strict: how.strict,
            owner: owner(&container, how),
            ids: view.ids.clone(),
            ..Place::default()
        };
        let (worker, checked) = (self.context.worker.clone(), Arc::clone(&container));
        let View {
            tree, guard, cut, ..
        } = view;
        let begun = blocking(move || {
            stat::check_target(&tree, &place.dir, &checked.record)?;
            let job = worker.place(stream, tree, &place);
            job.map_err(Error::contents("write", checked.id()))
        });
        let job = begun.await??;
        let _ended_when_cut = self.end_when_cut(job.pid(), cut, guard);
        let placed = blocking(move || job.wait()).await?;
        let placed = placed.map_err(Error::contents("write", id))?;
        let event = container.record.event("extract-to-dir", []);
        self.context.events.record_later(event);
        Ok(placed)
    }

    fn pack(&self, id: &ContainerId, view: View, order: Pack) -> Result<Archive, Error> {
        let order = Pack {
            ids: view.ids,
            ..order
        };
        let failed = Error::io("make a pipe for", id.as_str().as_ref());
        let (read, write) = std::io::pipe().map_err(failed)?;
        let job = self
            .context
            .worker
            .pack(view.tree, write.into(), &order)
            .map_err(Error::contents("read", id))?;
        let held = self.end_when_cut(job.pid(), view.cut, view.guard);
        Archive::new(id.clone(), read, job, held)
    }

    /// Lets go of the files when the container is to be started, and ends the worker on them;
    /// else when what this gives is dropped.
    fn end_when_cut(&self, worker: u32, cut: CancellationToken, guard: Guard) -> DropGuard {
        let done = CancellationToken::new();
        let held = done.clone().drop_guard();
        // It is our child and is not waited for yet: the number is its own.
        let worker = i32::try_from(worker)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let flags = rustix::process::PidfdFlags::empty();
        let worker = worker.and_then(|pid| rustix::process::pidfd_open(pid, flags).ok());
        self.context.tracker.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {
                    if let Some(worker) = worker {
                        // One that has ended needs no signal.
                        drop(sys::pidfd::send_signal(worker.as_fd(), types::Signal::KILL.number()));
                    }
                }
                () = done.cancelled() => {}
            }
            drop(guard);
        });
        held
    }

    async fn view(&self, id: &ContainerId, access: Access, extent: Extent) -> Result<View, Error> {
        let handle = self.context.index.container(id)?;
        let guard = handle.files().read_owned().await;
        if handle.snapshot().state.pid.is_some() {
            let container = handle.snapshot();
            let tree = blocking(move || running(&container, access, extent)).await?;
            let (guard, cut) = (Guard::Running { _guard: guard }, handle.cut());
            return tree.map(|(tree, ids)| View {
                tree,
                guard,
                ids,
                cut,
            });
        }
        drop(guard);
        let guard = handle.files().write_owned().await;
        let container = handle.snapshot();
        if container.removed {
            return Err(Error::no_container(id.as_str()));
        }
        let own = crate::files::directory(
            &self.context.config.paths,
            &container.record,
            &container.state.network,
        );
        let tree = blocking(move || stopped(&container, &own, (access, extent))).await?;
        let (guard, cut) = (Guard::Stopped { _guard: guard }, handle.cut());
        tree.map(|tree| View {
            tree,
            guard,
            ids: None,
            cut,
        })
    }
}

fn running(
    container: &Container,
    access: Access,
    extent: Extent,
) -> Result<(OwnedFd, Option<IdMaps>), Error> {
    let id = container.id();
    let gone = || Error::state("reach the files of", id, Problem::NotRunning);
    let pid = container.state.pid.ok_or_else(gone)?;
    let pidfd = process(pid, id).ok_or_else(gone)?;
    let mut targets: Vec<String> = Vec::new();
    if extent == Extent::All {
        let record = &container.record;
        targets.extend(record.mounts.iter().map(|point| point.target.clone()));
        targets.extend(record.spec.tmpfs.keys().cloned());
        targets.extend(OWN_FILES.iter().map(|(target, _)| (*target).to_owned()));
        targets.sort_by_key(|target| crate::mount_points::depth(target));
    }
    let files = Files::Running {
        pidfd: pidfd.as_fd(),
        targets: &targets,
    };
    let tree = container::files::tree(&files, access).map_err(Error::files("reach", id))?;
    Ok((tree, crate::owner::maps_of(pid)))
}

/// The process of this number, if it is in the container's control group: numbers are used
/// again.
pub(crate) fn process(pid: u32, id: &ContainerId) -> Option<OwnedFd> {
    let number = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    let flags = rustix::process::PidfdFlags::empty();
    let pidfd = rustix::process::pidfd_open(number, flags).ok()?;
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let ours = groups.contains(id.as_str());
    // It was this process all the time, if it still is.
    let alive = sys::pidfd::send_signal(pidfd.as_fd(), 0).is_ok();
    (ours && alive).then_some(pidfd)
}

/// `own` is where its files are that are mounted over `/etc`.
fn stopped(
    container: &Container,
    own: &Path,
    (access, extent): (Access, Extent),
) -> Result<OwnedFd, Error> {
    let record = &container.record;
    let mut parts = Vec::new();
    if extent == Extent::All {
        parts.extend(record.mounts.iter().filter_map(part));
        // One that was never started has none.
        let files = OWN_FILES
            .iter()
            .map(|(target, name)| (target, own.join(name)));
        let files = files.filter(|(_, path)| path.exists());
        parts.extend(files.map(|(target, path)| Part {
            target: (*target).to_owned(),
            source: Source::Path(path),
            read_only: record.spec.read_only_root,
        }));
        parts.sort_by_key(|part| crate::mount_points::depth(&part.target));
    }
    let files = Files::Stopped {
        rootfs: &record.rootfs,
        parts: &parts,
    };
    container::files::tree(&files, access).map_err(Error::files("reach", &record.id))
}

fn part(point: &crate::MountPoint) -> Option<Part> {
    let source = match point.kind.as_str() {
        "tmpfs" => return None,
        "image" => Source::Layers(point.layers.clone()),
        // What is not there any more cannot be shown.
        _ if !Path::new(&point.source).exists() => return None,
        _ => Source::Path(point.source.clone().into()),
    };
    let source = match point.subpath.as_str() {
        "" => source,
        below => Source::Below(Box::new(source), below.to_owned()),
    };
    Some(Part {
        target: point.target.clone(),
        source,
        read_only: !point.writable,
    })
}

/// Files that are mounted in every container.
pub(super) const OWN_FILES: [(&str, &str); 3] = [
    ("/etc/resolv.conf", crate::files::RESOLV_CONF),
    ("/etc/hostname", crate::files::HOSTNAME),
    ("/etc/hosts", crate::files::HOSTS),
];

/// The empty file in every root that tells programs that they are in a container; older ones
/// have it in their written part.
pub(super) const MARK: &str = ".dockerenv";

/// Directories of every container, whether its image has them or not.
pub(super) const PLACES: [&str; 6] = ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];

/// Whether every container has a directory at this path.
pub(super) fn is_place(path: &[u8]) -> bool {
    PLACES.iter().any(|place| place.as_bytes() == path)
}

/// Whether what is at this path of a written part is there for a mount alone, or by us:
/// nothing that the container changed.
pub(super) fn is_stub(path: &[u8], stat: &Stat) -> bool {
    let places = OWN_FILES
        .iter()
        .map(|(target, _)| target.trim_start_matches('/'));
    let ours = places.chain([MARK]).any(|place| place.as_bytes() == path);
    let file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    ours && file && stat.st_size == 0
}

fn owner(container: &Container, how: Extraction) -> Owner {
    let user = &container.record.spec.process.user;
    let (uid, gid) = user.split_once(':').unwrap_or((user, ""));
    match (how.own, uid.parse(), gid.parse()) {
        (true, Ok(uid), Ok(gid)) => Owner::Ids(uid, gid),
        (true, Ok(uid), Err(_)) => Owner::Ids(uid, 0),
        _ => Owner::Archive,
    }
}
