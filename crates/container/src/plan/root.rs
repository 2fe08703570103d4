//! The root: its tree, where it is attached at first, and how it is at last.

use super::bind;
use super::text::c;
use crate::Error;
use crate::create::Create;
use crate::rootfs;
use crate::stock::Stock;
use oci::runtime::{IdMaps, Linux, NamespaceKind, Propagation as Requested};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Change, Extent, Propagation, set_attributes};
use types::Rootfs;

/// The container's root.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) tree: bind::Tree,
    /// Mounts that are closed when there is time for it.
    pub(crate) spent: Vec<OwnedFd>,
    /// Where it is attached until the container pivots into it.
    pub(crate) at: CString,
    pub(crate) readonly: bool,
    pub(crate) propagation: Option<(Propagation, Extent)>,
}

impl Root {
    pub(crate) fn plan(request: &Create<'_>, linux: &Linux) -> Result<Self, Error> {
        let spec = request.spec;
        let root = spec.root.as_ref();
        let (tree, spent) = match request.stock.and_then(Stock::root) {
            Some(ready) => {
                let tree = ready
                    .tree()
                    .map_err(Error::process("use the root made ahead"))?;
                (bind::Tree::Detached(tree), Vec::new())
            }
            None => tree(request.rootfs, linux)?,
        };
        Ok(Self {
            tree,
            spent,
            at: c("root.path", &place(request).to_string_lossy())?,
            readonly: root.is_some_and(|root| root.readonly),
            propagation: last_propagation(linux.rootfs_propagation),
        })
    }
}

/// Hooks expect the root at its path, and the caller's own mount namespace needs its `/`; who
/// has neither is spared the look-up: over `/`.
fn place(request: &Create<'_>) -> std::path::PathBuf {
    let fallback = || "/".into();
    let linux = request.spec.linux.iter();
    let mut namespaces = linux.flat_map(|linux| &linux.namespaces);
    let own = namespaces.any(|namespace| namespace.kind == NamespaceKind::Mount);
    if request.spec.hooks.is_none() && own {
        return fallback();
    }
    match (request.rootfs, &request.spec.root) {
        (Rootfs::Directory(path), _) => path.clone(),
        (Rootfs::Layers { .. } | Rootfs::Shifted(_), Some(root)) => {
            let path = request.bundle.join(&root.path);
            if path.is_dir() { path } else { fallback() }
        }
        (Rootfs::Layers { .. } | Rootfs::Shifted(_), None) => fallback(),
    }
}

fn tree(rootfs: &Rootfs, linux: &Linux) -> Result<(bind::Tree, Vec<OwnedFd>), Error> {
    let tree = match rootfs {
        Rootfs::Directory(path) => match bind::clone(path, Extent::Tree) {
            Ok(tree) => {
                let failed = Error::host("set propagation of", path);
                apart(tree.as_fd(), linux).map_err(failed)?;
                bind::Tree::Detached(tree)
            }
            Err(Errno::PERM) => {
                bind::Tree::Late(c("root.path", &path.to_string_lossy())?, Extent::Tree)
            }
            Err(errno) => return Err(Error::host("open the root file system", path)(errno.into())),
        },
        Rootfs::Shifted(path) => {
            let tree = rootfs::shifted(path, IdMaps::of(linux).as_ref())?;
            apart(tree.as_fd(), linux).map_err(Error::host("set propagation of", path))?;
            bind::Tree::Detached(tree)
        }
        Rootfs::Layers { lower, writable } => {
            let maps = IdMaps::of(linux);
            let mounted = rootfs::mount(lower, writable.as_ref(), maps.as_ref())?;
            return Ok((bind::Tree::Detached(mounted.tree), mounted.spent));
        }
    };
    Ok((tree, Vec::new()))
}

/// Cuts the root's mounts off from the host's; what is mounted in them there still comes, unless
/// nothing shall.
fn apart(tree: BorrowedFd<'_>, linux: &Linux) -> std::io::Result<()> {
    let change = Change {
        propagation: first_propagation(linux.rootfs_propagation).or(Some(Propagation::Slave)),
        ..Change::default()
    };
    set_attributes(tree, c"", &change, Extent::Tree)?;
    match hears(linux) {
        true => Ok(()),
        false => bind::make_private(tree),
    }
}

/// Whether the root's own mount is to hear of what is mounted in it on the host.
///
/// COMPAT: without being asked to it does not, nor do binds from the mount that the root is on:
/// runc makes that one private before it binds anything.
pub(super) fn hears(linux: &Linux) -> bool {
    let asked = linux.rootfs_propagation.map(propagation);
    asked.is_some_and(|(asked, _)| asked == Propagation::Slave)
}

/// What every mount of the container is before its own option; none: as on the host.
///
/// COMPAT: runc begins with the whole of its mount namespace, or with the host's root alone if
/// `linux.rootfsPropagation` is not recursive.
pub(super) fn first_propagation(of_root: Option<Requested>) -> Option<Propagation> {
    match of_root.map(propagation) {
        None | Some((Propagation::Slave | Propagation::Unbindable, Extent::Tree)) => {
            Some(Propagation::Slave)
        }
        Some((Propagation::Private, Extent::Tree)) => Some(Propagation::Private),
        Some(_) => None,
    }
}

/// What a bind is without a word about it: it hears of the host's later mounts and is not heard,
/// unless the root is to be shared.
pub(super) fn silent_propagation(of_root: Option<Requested>) -> Option<Propagation> {
    let asked = of_root.map(propagation);
    match first_propagation(of_root) {
        None if asked.is_some_and(|(asked, _)| asked == Propagation::Shared) => None,
        first => first.or(Some(Propagation::Slave)),
    }
}

/// What the root becomes when all is mounted. COMPAT: runc leaves options of mounts alone that
/// are more than a slave root or a private one.
fn last_propagation(of_root: Option<Requested>) -> Option<(Propagation, Extent)> {
    let asked = of_root.map(propagation);
    asked.filter(|(asked, _)| !matches!(asked, Propagation::Slave | Propagation::Private))
}

pub(crate) fn propagation(requested: Requested) -> (Propagation, Extent) {
    use Requested as R;
    let propagation = match requested {
        R::Shared | R::RecursiveShared => Propagation::Shared,
        R::Slave | R::RecursiveSlave => Propagation::Slave,
        R::Private | R::RecursivePrivate => Propagation::Private,
        R::Unbindable | R::RecursiveUnbindable => Propagation::Unbindable,
    };
    let extent = match requested {
        R::Shared | R::Slave | R::Private | R::Unbindable => Extent::Mount,
        _ => Extent::Tree,
    };
    (propagation, extent)
}
