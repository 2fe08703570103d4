//! The mount tree: cut off from the host's, the root attached, every mount in its place.

use super::Setup;
use super::tmpcopyup;
use crate::fault::{During, Fault};
use crate::plan::{Dressing, Mount, Source, Tree, clone_flags};
use crate::target::{self, Found, Links};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Change, Extent, Propagation, attribute, set_attributes};

/// From here on no mount or unmount of ours reaches the host.
pub(super) fn detach_from_host<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if setup.container().is_none() {
        return Ok(());
    }
    let change = Change {
        propagation: Some(Propagation::Slave),
        ..Change::default()
    };
    set_attributes(CWD, c"/", &change, Extent::Tree).during("cut mounts off from the host's")
}

/// Attaches the root, where it stays until the pivot.
pub(super) fn root<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    let root = &container.root;
    let late;
    let tree = match &root.tree {
        Tree::Detached(tree) => tree.as_fd(),
        Tree::Late(path, extent) => {
            late = clone_now(path, *extent)?;
            late.as_fd()
        }
    };
    move_mount(
        tree,
        c"",
        CWD,
        &*root.at,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS,
    )
    .on("attach the root file system at", &root.at)?;
    setup.root = Some(rustix::io::fcntl_dupfd_cloexec(tree, 3).during("hold the root")?);
    Ok(())
}

/// Makes every mount of the configuration, in its order.
pub(super) fn all<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    for mount in &container.mounts {
        let made = one(setup.root()?, mount)?;
        if mount.kind() == Some(b"proc") && setup.procfs.is_none() {
            setup.procfs = made;
        }
    }
    Ok(())
}

/// Makes those read-only that other things were made in.
pub(super) fn late_readonly<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    let change = Change {
        set: attribute::RDONLY,
        ..Change::default()
    };
    for mount in container.mounts.iter().filter(|mount| mount.late_readonly) {
        let path = &mount.target.path;
        let place = target::open(setup.root()?, path, OFlags::PATH, Links::Follow)
            .on("open inside the root", path)?;
        set_attributes(place.as_fd(), c"", &change, Extent::Mount).on("make read-only", path)?;
    }
    if container.root.readonly {
        set_attributes(setup.root()?, c"", &change, Extent::Mount)
            .during("make the root read-only")?;
    }
    Ok(())
}

/// Makes one mount; a file system of its own is also returned.
fn one<'a>(root: BorrowedFd<'_>, mount: &'a Mount) -> Result<Option<OwnedFd>, Fault<'a>> {
    match &mount.source {
        Source::Tree(Tree::Detached(tree)) => attach(root, mount, tree.as_fd()).map(|()| None),
        Source::Tree(Tree::Late(path, extent)) => {
            let tree = clone_now(path, *extent)?;
            mount.dressing.put_on(tree.as_fd()).on("dress", path)?;
            attach(root, mount, tree.as_fd()).map(|()| None)
        }
        Source::FileSystem {
            kind,
            source,
            data,
            copy_up,
        } => {
            let made = file_system((kind, source), data, &mount.dressing)
                .on("mount", &mount.target.path)?;
            let links = match kind.to_bytes() {
                // What is taken for them must not be somewhere else.
                b"proc" | b"sysfs" => Links::Refuse,
                _ => Links::Follow,
            };
            let (found, place) = target::place(root, &mount.target, FileType::Directory, links)?;
            if kind.to_bytes() == b"tmpfs" && found == Found::Already {
                as_what_was_there(place.as_fd(), made.as_fd(), (data, *copy_up))
                    .on("fill", &mount.target.path)?;
            }
            for (name, value) in &mount.links {
                rustix::fs::symlinkat(&**value, &made, &**name).on("link", name)?;
            }
            move_to(made.as_fd(), place.as_fd()).on("attach", &mount.target.path)?;
            Ok(Some(made))
        }
    }
}

/// Clones a tree here, with the rights that our own namespaces give.
pub(super) fn clone_now(path: &CStr, extent: Extent) -> Result<OwnedFd, Fault<'_>> {
    open_tree(CWD, path, clone_flags(extent)).on("bind", path)
}

fn attach<'a>(
    root: BorrowedFd<'_>,
    mount: &'a Mount,
    tree: BorrowedFd<'_>,
) -> Result<(), Fault<'a>> {
    let path = &mount.target.path;
    let place = match target::open(root, path, OFlags::PATH, Links::Follow) {
        Err(Errno::NOENT) => {
            let kind = fstat(tree).on("look at the source for", path)?.st_mode;
            let kind = FileType::from_raw_mode(kind);
            target::place(root, &mount.target, kind, Links::Follow)?.1
        }
        found => found.on("open inside the root", path)?,
    };
    move_to(tree, place.as_fd()).on("attach", path)
}

/// Attaches a detached tree over a place.
pub(crate) fn move_to(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Errno> {
    move_mount(
        tree,
        c"",
        place,
        c"",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )
}

/// A detached file system.
pub(super) fn file_system(
    (kind, source): (&CStr, &CStr),
    data: &[(CString, Option<CString>)],
    dressing: &Dressing,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), c"source", source)?;
    for (key, value) in data {
        match value {
            Some(value) => fsconfig_set_string(context.as_fd(), &**key, &**value)?,
            None => fsconfig_set_flag(context.as_fd(), &**key)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    let set = dressing.mount.set | dressing.tree.set;
    let attributes = u32::try_from(set).map_err(|_| Errno::INVAL)?;
    let made = fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::from_bits_retain(attributes),
    )?;
    if let Some((propagation, extent)) = dressing.propagation {
        let change = Change {
            propagation: Some(propagation),
            ..Change::default()
        };
        // A mount of its own is private already.
        if propagation != Propagation::Private {
            set_attributes(made.as_fd(), c"", &change, extent)
                .map_err(|error| crate::fault::errno(&error))?;
        }
    }
    Ok(made)
}

/// A tmpfs has the mode of the directory that it covers, and its contents if asked for.
fn as_what_was_there(
    was: BorrowedFd<'_>,
    made: BorrowedFd<'_>,
    (data, copy_up): (&[(CString, Option<CString>)], bool),
) -> Result<(), Errno> {
    if !data.iter().any(|(key, _)| &**key == c"mode") {
        let mode = Mode::from_raw_mode(fstat(was)?.st_mode & 0o7777);
        rustix::fs::fchmod(made, mode).or_else(|errno| match errno {
            // The descriptor of a mount is O_PATH; its root is opened anew.
            Errno::BADF => rustix::fs::chmodat(made, c".", mode, rustix::fs::AtFlags::empty()),
            errno => Err(errno),
        })?;
    }
    if copy_up {
        tmpcopyup::copy(was, made)?;
    }
    Ok(())
}
