//! Bind mounts: cloned from the host's tree before the container exists, and dressed.

use super::attributes::{Dressing, Options};
use crate::Error;
use crate::files::Source;
use crate::users;
use oci::runtime::IdMapping;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use sys::mount::{Change, Extent, Propagation, set_attributes};

/// Where the tree of a bind mount is.
#[derive(Debug)]
pub(crate) enum Tree {
    /// A detached copy of the host's mounts.
    Detached(OwnedFd),
    /// A path that only the child may clone, with the rights that it has in its own namespaces.
    Late(CString, Extent),
}

impl Tree {
    /// The descriptor's number, if it is open already.
    pub(crate) fn number(&self) -> Option<i32> {
        match self {
            Self::Detached(fd) => Some(fd.as_raw_fd()),
            Self::Late(..) => None,
        }
    }
}

/// The mappings that an idmapped mount gets.
pub(crate) struct Ids<'a> {
    pub(crate) field: &'a str,
    pub(crate) uids: &'a [IdMapping],
    pub(crate) gids: &'a [IdMapping],
}

/// Opens the source of a bind mount, below `bundle` if it is relative.
pub(crate) fn open(
    bundle: &Path,
    source: &str,
    options: &mut Options,
    ids: &Ids<'_>,
) -> Result<Tree, Error> {
    let path = bundle.join(source);
    let extent = options.bind.unwrap_or(Extent::Mount);
    let idmap = idmap(options, ids)?;
    // Without a word about it a bind mount hears of the host's later mounts and is not heard.
    options
        .dressing
        .propagation
        .get_or_insert((Propagation::Slave, Extent::Tree));
    let cloned = match options.subpath.take() {
        Some(below) => {
            let source = Source::Below(Box::new(Source::Path(path.clone())), below);
            Ok(source.open(extent)?)
        }
        None => clone(&path, extent),
    };
    match cloned {
        Ok(tree) => {
            if let Some((userns, extent)) = &idmap {
                let change = Change {
                    idmap: Some(userns.as_fd()),
                    ..Change::default()
                };
                set_attributes(tree.as_fd(), c"", &change, *extent)
                    .map_err(Error::host("map ids of", &path))?;
            }
            options
                .dressing
                .put_on(tree.as_fd())
                .map_err(Error::host("set attributes of", &path))?;
            Ok(Tree::Detached(tree))
        }
        Err(Errno::PERM) if idmap.is_none() => {
            let path = super::text::c(ids.field, &path.to_string_lossy())?;
            Ok(Tree::Late(path, extent))
        }
        Err(errno) => Err(Error::host("bind", &path)(errno.into())),
    }
}

/// A detached copy of the mounts at `path`.
pub(crate) fn clone(path: &Path, extent: Extent) -> Result<OwnedFd, Errno> {
    open_tree(CWD, path, clone_flags(extent))
}

pub(crate) fn clone_flags(extent: Extent) -> OpenTreeFlags {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    match extent {
        Extent::Mount => flags,
        Extent::Tree => flags | OpenTreeFlags::AT_RECURSIVE,
    }
}

fn idmap(options: &Options, ids: &Ids<'_>) -> Result<Option<(OwnedFd, Extent)>, Error> {
    if ids.uids.is_empty() != ids.gids.is_empty() {
        return Err(Error::invalid(
            ids.field,
            "uidMappings and gidMappings belong together",
        ));
    }
    let extent = match (options.idmap, ids.uids.is_empty()) {
        (None, true) => return Ok(None),
        (Some(_), true) => {
            let reason = "idmap needs uidMappings and gidMappings, or a user namespace";
            return Err(Error::invalid(ids.field, reason));
        }
        (extent, false) => extent.unwrap_or(Extent::Mount),
    };
    let userns = users::namespace_of(ids.uids, ids.gids)?;
    Ok(Some((userns, extent)))
}

impl Dressing {
    /// Changes a mount to be so.
    pub(crate) fn put_on(&self, tree: BorrowedFd<'_>) -> std::io::Result<()> {
        if let Some((propagation, extent)) = self.propagation {
            let change = Change {
                propagation: Some(propagation),
                ..Change::default()
            };
            set_attributes(tree, c"", &change, extent)?;
        }
        for (change, extent) in [(&self.tree, Extent::Tree), (&self.mount, Extent::Mount)] {
            if change.set | change.clear != 0 {
                set_attributes(tree, c"", change, extent)?;
            }
        }
        Ok(())
    }
}
