//! The mount tree: cut off from the host's, the root attached, every mount in its place.

use super::Setup;
use super::tmpcopyup;
use crate::channel::{self, Tag};
use crate::fault::{Class, During, Fault};
use crate::plan::{Dressing, Enter, Mount, Source, Tree, clone_flags};
use crate::target::{self, Found, Links};
use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags, fsetxattr, fstat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Change, Extent, Propagation, attribute, set_attributes};
use sys::namespace::Kind;

/// From here on no mount or unmount of ours reaches the host.
pub(super) fn detach_from_host<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    if matches!(container.enter, Enter::Change(_) | Enter::Joined) {
        return Ok(());
    }
    let change = Change {
        propagation: Some(Propagation::Slave),
        ..Change::default()
    };
    set_attributes(CWD, c"/", &change, Extent::Tree).during("cut mounts off from the host's")
}

/// Enters a copy of the mount namespace that was joined, and so of its root.
pub(super) fn copy_root<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    sys::namespace::unshare(Kind::Mount.flag()).during("copy the mount namespace")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(c"/", flags, Mode::empty()).during("open the root")?;
    setup.root = Some(root);
    Ok(())
}

/// Attaches the root, where it stays until the pivot.
pub(super) fn root<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    if let Some(left) = setup.left {
        let hold = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 3).during("hold the root");
        setup.root = Some(hold(&left.root)?);
        setup.procfs = left.procfs.as_ref().map(hold).transpose()?;
        return Ok(());
    }
    let root = &container.root;
    let late;
    let tree = match &root.tree {
        Tree::Detached(tree) => tree.as_fd(),
        Tree::Late(path, extent) | Tree::Inside(path, extent) => {
            late = clone_now(path, *extent)?;
            late.as_fd()
        }
    };
    if !matches!(container.enter, Enter::Joined) {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        move_mount(tree, c"", CWD, &*root.at, flags)
            .on("attach the root file system at", &root.at)?;
    }
    setup.root = Some(rustix::io::fcntl_dupfd_cloexec(tree, 3).during("hold the root")?);
    Ok(())
}

/// Makes every mount of the configuration, in its order.
pub(super) fn all<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    for (number, mount) in container.mounts.iter().enumerate() {
        let made = one(setup, number, mount).map_err(|fault| mount.fault(fault))?;
        if mount.kind() == Some(b"proc") && setup.procfs.is_none() {
            setup.procfs = made;
        }
    }
    Ok(())
}

/// Makes a mount read-only.
pub(crate) fn seal(mount: BorrowedFd<'_>) -> std::io::Result<()> {
    let change = Change {
        set: attribute::RDONLY,
        ..Change::default()
    };
    set_attributes(mount, c"", &change, Extent::Mount)
}

/// Makes those read-only that other things were made in.
pub(super) fn late_readonly<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    for mount in container.mounts.iter().filter(|mount| mount.late_readonly) {
        let path = &mount.target.path;
        let place = target::open(setup.root()?, path, OFlags::PATH, Links::Follow)
            .on("open inside the root", path)?;
        seal(place.as_fd()).on("make read-only", path)?;
    }
    if container.root.readonly {
        seal(setup.root()?).during("make the root read-only")?;
    }
    Ok(())
}

impl Mount {
    /// The fault as one of this mount.
    fn fault<'a>(&'a self, fault: Fault<'a>) -> Fault<'a> {
        let link = [Errno::LOOP, Errno::NOTDIR].map(Errno::raw_os_error);
        let refused = link.contains(&fault.errno);
        // COMPAT: runc's words, which callers match on.
        let action = match self.kind() {
            Some(b"proc") if refused => "filesystem \"proc\" must be mounted on ordinary directory",
            Some(b"sysfs") if refused => {
                "filesystem \"sysfs\" must be mounted on ordinary directory"
            }
            _ => fault.action,
        };
        if self.label.is_empty() || fault.class != Class::Step {
            return fault;
        }
        Fault {
            action,
            object: &self.label,
            class: Class::Mount,
            ..fault
        }
    }
}

/// Makes one mount; a file system of its own is also returned.
fn one<'a>(
    setup: &Setup<'a>,
    number: usize,
    mount: &'a Mount,
) -> Result<Option<OwnedFd>, Fault<'a>> {
    let root = setup.root()?;
    match &mount.source {
        Source::Tree(Tree::Detached(tree)) => attach(root, mount, tree.as_fd()).map(|()| None),
        Source::Tree(Tree::Late(path, extent)) => {
            let tree = clone_now(path, *extent)?;
            mount.dressing.put_on(tree.as_fd()).on("dress", path)?;
            attach(root, mount, tree.as_fd()).map(|()| None)
        }
        Source::Tree(Tree::Inside(path, extent)) => {
            let place = target::open(root, path, OFlags::PATH, Links::Follow);
            let place = place.on("open inside the root", path)?;
            let flags = clone_flags(*extent) | OpenTreeFlags::AT_EMPTY_PATH;
            let tree = open_tree(&place, c"", flags).on("bind", path)?;
            if mount.idmap.is_some() {
                map_ids(setup, number, tree.as_fd())?;
            }
            mount.dressing.put_on(tree.as_fd()).on("dress", path)?;
            attach(root, mount, tree.as_fd()).map(|()| None)
        }
        Source::FileSystem { .. } => in_root(root, mount).map(Some),
    }
}

/// Makes a file system of its own in its place below a root.
pub(crate) fn in_root<'a>(root: BorrowedFd<'_>, mount: &'a Mount) -> Result<OwnedFd, Fault<'a>> {
    let links = match mount.kind() {
        // What is taken for them must not be somewhere else.
        Some(b"proc" | b"sysfs") => Links::Refuse,
        _ => Links::Follow,
    };
    let path = &mount.target.path;
    let (found, place) = target::place(root, &mount.target, FileType::Directory, links)?;
    let covered = (found == Found::Already).then_some(place.as_fd());
    let made = own(mount, covered).on("mount", path)?;
    move_to(made.as_fd(), place.as_fd()).on("attach", path)?;
    Ok(made)
}

/// Has the parent map the ids of a tree.
fn map_ids<'a>(setup: &Setup<'a>, number: usize, tree: BorrowedFd<'_>) -> Result<(), Fault<'a>> {
    const ACTION: &str = "ask for maps of ids";
    let number = i32::try_from(number).unwrap_or(-1);
    channel::send(setup.channel, Tag::IdMap, number, Some(tree)).during(ACTION)?;
    match channel::wait_for(setup.channel, Tag::Go).during(ACTION)? {
        Some(_) => Ok(()),
        None => Err(Fault::new(ACTION, b"", Errno::PIPE)),
    }
}

/// A detached file system of its own, with the places of others in it; `covered` is the directory
/// that it will cover, if that was there before.
pub(crate) fn own(mount: &Mount, covered: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Errno> {
    let Source::FileSystem {
        kind,
        source,
        data,
        copy_up,
        label,
    } = &mount.source
    else {
        return Err(Errno::INVAL);
    };
    let covered = covered.filter(|_| kind.to_bytes() == b"tmpfs");
    // A tmpfs has the mode of the directory that it covers, unless it has one of its own.
    let mode = match covered {
        Some(place) if !mount.has_mode() => Some(fstat(place)?.st_mode & 0o7777),
        _ => None,
    };
    let made = file_system((kind, source), (data, mode), &mount.dressing)?;
    if let Some(place) = covered.filter(|_| *copy_up) {
        tmpcopyup::copy(place, made.as_fd())?;
    }
    if let Some(label) = label {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(&made, c".", flags, Mode::empty())?;
        let label = label.to_bytes();
        fsetxattr(&root, c"security.selinux", label, XattrFlags::empty())?;
    }
    for name in &mount.directories {
        // What is there already, or cannot be made, is seen when it is needed.
        let _ = rustix::fs::mkdirat(&made, &**name, Mode::from_raw_mode(0o755));
    }
    for (name, value) in &mount.links {
        rustix::fs::symlinkat(&**value, &made, &**name)?;
    }
    Ok(made)
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
            target::make_missing(root, &mount.target, kind, Links::Follow)?
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
pub(crate) fn file_system(
    (kind, source): (&CStr, &CStr),
    (data, mode): (&[(CString, Option<CString>)], Option<u32>),
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
    if let Some(mode) = mode {
        fsconfig_set_string(context.as_fd(), c"mode", octal(mode).as_slice())?;
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

/// A mode in octal digits.
fn octal(mode: u32) -> [u8; 4] {
    [9, 6, 3, 0].map(|shift| b'0' + u8::try_from(mode >> shift & 7).unwrap_or(0))
}
