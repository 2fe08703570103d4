//! Bind mounts: cloned from the host's tree before the container exists, and dressed.

use super::attributes::{Dressing, Options, Said};
use crate::Error;
use crate::fault::errno;
use crate::files::Source;
use crate::users;
use oci::runtime::{IdMapping, IdMaps};
use rustix::fs::{CWD, Mode, OFlags, StatFs, fstatfs};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use sys::mount::{Change, Extent, Propagation, attribute, set_attributes};

/// Where the tree of a bind mount is.
#[derive(Debug)]
pub(crate) enum Tree {
    /// A detached copy of the host's mounts.
    Detached(OwnedFd),
    /// A path that only the child may clone, with the rights that it has in its own namespaces.
    Late(CString, Extent),
    /// A path inside the root, which is what earlier mounts made it.
    Inside(CString, Extent),
}

/// A bind mount's source.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) tree: Tree,
    /// The maps that the tree still has to get.
    pub(crate) idmap: Option<(OwnedFd, Extent)>,
}

impl Tree {
    /// The descriptor's number, if it is open already.
    pub(crate) fn number(&self) -> Option<i32> {
        match self {
            Self::Detached(fd) => Some(fd.as_raw_fd()),
            Self::Late(..) | Self::Inside(..) => None,
        }
    }

    /// The descriptor, if it is open already.
    pub(crate) fn into_descriptor(self) -> Option<OwnedFd> {
        match self {
            Self::Detached(fd) => Some(fd),
            Self::Late(..) | Self::Inside(..) => None,
        }
    }
}

impl From<Tree> for Bound {
    fn from(tree: Tree) -> Self {
        Self { tree, idmap: None }
    }
}

/// The mappings that an idmapped mount gets.
pub(crate) struct Ids<'a> {
    pub(crate) field: &'a str,
    pub(crate) uids: &'a [IdMapping],
    pub(crate) gids: &'a [IdMapping],
    /// The path of the user namespace that the container joins.
    pub(crate) joined: Option<&'a str>,
}

/// Opens the source of a bind mount; `inside` is its path in the root, if it is there.
pub(crate) fn open(
    path: &Path,
    inside: Option<CString>,
    options: &mut Options,
    ids: &Ids<'_>,
) -> Result<Bound, Error> {
    let extent = options.bind.unwrap_or(Extent::Mount);
    let idmap = idmap(options, ids)?;
    if let Some(inside) = inside {
        return Ok(Bound {
            tree: Tree::Inside(inside, extent),
            idmap,
        });
    }
    let cloned = match options.subpath.take() {
        Some(below) => {
            let source = Source::Below(Box::new(Source::Path(path.to_owned())), below);
            Ok(source.open(extent, None)?)
        }
        None => clone(path, extent),
    };
    match cloned {
        Ok(tree) => {
            if let Some((userns, extent)) = &idmap {
                map_ids(tree.as_fd(), path, (userns.as_fd(), *extent))?;
            }
            options
                .dressing
                .put_on(tree.as_fd())
                .map_err(|errno| Error::host("set attributes of", path)(errno.into()))?;
            Ok(Tree::Detached(tree).into())
        }
        Err(Errno::PERM) if idmap.is_none() => {
            let path = super::text::c(ids.field, &path.to_string_lossy())?;
            Ok(Tree::Late(path, extent).into())
        }
        Err(errno) => Err(Error::host("bind", path)(errno.into())),
    }
}

/// A detached copy of the mounts at `path`.
pub(crate) fn clone(path: &Path, extent: Extent) -> Result<OwnedFd, Errno> {
    open_tree(CWD, path, clone_flags(extent))
}

/// Maps the ids of a tree, as a user namespace does.
pub(crate) fn map_ids(
    tree: BorrowedFd<'_>,
    path: &Path,
    (userns, extent): (BorrowedFd<'_>, Extent),
) -> Result<(), Error> {
    let change = Change {
        idmap: Some(userns),
        ..Change::default()
    };
    set_attributes(tree, c"", &change, extent).map_err(|source| Error::Ids {
        path: path.to_owned(),
        file_system: fstatfs(tree).map_or(0, |found| found.f_type.cast_unsigned()),
        source,
    })
}

/// Cuts a mount off from the one it is a clone of.
pub(super) fn make_private(tree: BorrowedFd<'_>) -> std::io::Result<()> {
    let change = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(tree, c"", &change, Extent::Mount)
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
        (Some(extent), true) if ids.joined.is_some() => {
            let path = ids.joined.unwrap_or_default();
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let userns = rustix::fs::open(path, flags, Mode::empty());
            let userns =
                userns.map_err(|errno| Error::host("open namespace", path)(errno.into()))?;
            return Ok(Some((userns, extent)));
        }
        (Some(_), true) => {
            let reason = "idmap needs uidMappings and gidMappings, or a user namespace";
            return Err(Error::invalid(ids.field, reason));
        }
        (extent, false) => extent.unwrap_or(Extent::Mount),
    };
    let userns = users::namespace_of(&IdMaps {
        uids: ids.uids.to_vec(),
        gids: ids.gids.to_vec(),
    })?;
    Ok(Some((userns, extent)))
}

impl Dressing {
    /// Changes a mount of our own to be so: what it is already stays.
    pub(crate) fn add_to(&self, tree: BorrowedFd<'_>) -> Result<(), Errno> {
        self.put_on_all(tree)?;
        change_tree(tree, &self.mount, Extent::Mount)
    }

    fn put_on_all(&self, tree: BorrowedFd<'_>) -> Result<(), Errno> {
        let first = self.first_propagation.map(|first| (first, Extent::Tree));
        for (propagation, extent) in first.into_iter().chain(self.propagation) {
            let change = Change {
                propagation: Some(propagation),
                ..Change::default()
            };
            change_tree(tree, &change, extent)?;
        }
        change_tree(tree, &self.tree, Extent::Tree)
    }

    /// Changes a bind mount to be so.
    pub(crate) fn put_on(&self, tree: BorrowedFd<'_>) -> Result<(), Errno> {
        self.put_on_all(tree)?;
        if self.said == Said::Nothing {
            return Ok(());
        }
        let now = match self.locked {
            true => now(&fstatfs(tree)?),
            false => 0,
        };
        change_tree(tree, &self.over(now)?, Extent::Mount)
    }

    /// The change that makes a mount with the attributes `now` so.
    ///
    /// COMPAT: as the remount that callers know. Attributes that are not named are cleared;
    /// access times are kept as they are until an option chooses how. In a user namespace what
    /// the host's mount forbids stays, and an option against it is an error.
    fn over(&self, now: u64) -> Result<Change<'static>, Errno> {
        use attribute::{ATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, RDONLY};
        const LOCKABLE: u64 = RDONLY | NOSUID | NODEV | NOEXEC;
        const TIMES: u64 = ATIME | NODIRATIME;
        let wanted = self.mount.set;
        let mut change = Change {
            set: wanted & (LOCKABLE | NOSYMFOLLOW),
            clear: LOCKABLE | NOSYMFOLLOW,
            ..Change::default()
        };
        if self.said == Said::Times {
            change.set |= wanted & TIMES;
            change.clear |= TIMES;
        }
        if self.locked {
            let times = self.said == Said::Times && (change.set ^ now) & TIMES != 0;
            if times || now & LOCKABLE & self.mount.clear != 0 {
                return Err(Errno::PERM);
            }
            change.set |= now & LOCKABLE;
        }
        Ok(change)
    }
}

fn change_tree(tree: BorrowedFd<'_>, change: &Change<'_>, extent: Extent) -> Result<(), Errno> {
    if change.set | change.clear == 0 && change.propagation.is_none() {
        return Ok(());
    }
    set_attributes(tree, c"", change, extent).map_err(|error| errno(&error))
}

/// The attributes that a mount has.
fn now(status: &StatFs) -> u64 {
    use attribute::{NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, RDONLY, STRICTATIME};
    const FLAGS: [(i64, u64); 7] = [
        (0x0001, RDONLY),
        (0x0002, NOSUID),
        (0x0004, NODEV),
        (0x0008, NOEXEC),
        (0x0400, NOATIME),
        (0x0800, NODIRATIME),
        (0x2000, NOSYMFOLLOW),
    ];
    const ANY_TIMES: i64 = 0x1400;
    let has = |flag: i64| status.f_flags & flag != 0;
    let flags = FLAGS.iter().filter(|(flag, _)| has(*flag));
    let set = flags.fold(0, |set, (_, attribute)| set | attribute);
    // There is no flag for it.
    if has(ANY_TIMES) {
        set
    } else {
        set | STRICTATIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::attributes::Options;

    fn over(options: &[&str], locked: bool, now: u64) -> Result<(u64, u64), Errno> {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        let mut dressing = Options::parse("mounts[0]", &options).unwrap().dressing;
        dressing.locked = locked;
        let change = dressing.over(now)?;
        Ok((change.set, now & !change.clear | change.set))
    }

    #[test]
    fn attributes_that_are_not_named_are_cleared_and_access_times_kept() {
        use attribute::{NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, RDONLY, STRICTATIME};
        for (options, now, expected) in [
            (&["ro"][..], NODEV | NOATIME, RDONLY | NOATIME),
            (&["dev"], RDONLY | NOEXEC | NODIRATIME, NODIRATIME),
            (&["atime", "suid"], NOSUID | NOATIME, NOATIME),
            (&["relatime"], NOATIME, 0),
            (&["nodiratime"], NOATIME, NODIRATIME),
            (&["strictatime"], NODIRATIME, STRICTATIME),
        ] {
            let (_, found) = over(options, false, now).unwrap();
            assert_eq!(found, expected, "{options:?}");
        }
    }

    #[test]
    fn in_a_user_namespace_what_the_host_forbids_stays() {
        use attribute::{NOATIME, NODEV, NOEXEC, NOSUID, RDONLY};
        let kept = |options: &[&str], now| over(options, true, now).map(|(_, found)| found);
        assert_eq!(kept(&["nosuid"], RDONLY), Ok(RDONLY | NOSUID));
        assert_eq!(kept(&["ro", "exec"], NODEV), Ok(RDONLY | NODEV));
        assert_eq!(kept(&["rw"], RDONLY), Err(Errno::PERM));
        assert_eq!(kept(&["exec"], NOEXEC), Err(Errno::PERM));
        assert_eq!(kept(&["noatime"], 0), Err(Errno::PERM));
        assert_eq!(kept(&["noatime", "ro"], NOATIME), Ok(RDONLY | NOATIME));
    }
}
