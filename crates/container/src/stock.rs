//! Mounts made ahead: file systems that containers have alike, mounted nowhere.
//!
//! A tree has all that is mounted in it already, where the kernel lets a detached mount have
//! mounts in it (Linux 6.15); before, each file system is a tree of its own.

mod namespace;
mod root;

pub use self::namespace::bare;
use self::root::Root;
use crate::Error;
use crate::create::Create;
use crate::gate::Gate;
use crate::plan::{self, Mount, Part, Source, Tree};
use crate::stdio::Stdio;
use crate::steps;
use cgroup::Cgroup;
use oci::runtime::{IdMaps, Linux, Mount as Requested, Namespace, NamespaceKind, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use types::{ContainerId, Rootfs};

/// Where device nodes are.
const DEV: &str = "/dev";

/// Trees that are ready to be attached.
#[derive(Debug, Default)]
pub struct Stock {
    trees: Vec<Ready>,
    /// A root that nobody was found to have yet.
    likely: Option<Root>,
    /// The container's root.
    root: Option<Root>,
    /// What the container does not get. Closing a tree waits for an RCU grace period, so it is
    /// kept until there is time for that.
    left_out: Vec<Ready>,
}

/// A file system of the kernel's, as a container that asks for this mount has it, in the caller's
/// network namespace and mounted nowhere. `None` if it cannot be made ahead.
pub fn detached(mount: &Requested) -> Option<OwnedFd> {
    Ready::top(mount, None).map(|ready| ready.tree)
}

/// One tree.
#[derive(Debug)]
pub(crate) struct Ready {
    /// What of a configuration's mounts it is, in their order; the first is its top.
    mounts: Vec<Requested>,
    tree: OwnedFd,
}

impl Stock {
    /// Makes these mounts, in the caller's network and IPC namespaces. What cannot be made ahead
    /// is left out: a procfs is one of a pid namespace that is not there yet.
    ///
    /// The caller must have no other thread: the mode bits that new files lose are changed.
    pub fn make(mounts: &[Requested], cgroup: Option<&Cgroup>) -> Self {
        let umask = rustix::process::umask(Mode::empty());
        let mut trees: Vec<Ready> = Vec::new();
        for mount in mounts.iter().filter(|mount| mount.kind != "proc") {
            let around = trees.iter_mut().find(|tree| tree.takes(mount));
            if !around.is_some_and(|tree| tree.add(mount)) {
                trees.extend(Ready::top(mount, cgroup));
            }
        }
        rustix::process::umask(umask);
        Self {
            trees,
            ..Self::default()
        }
    }

    /// Mounts a root that is likely; `by` is the same with mounts in the place of layers, `bare` a
    /// mount namespace that has nothing in it ([`bare`]). A root that cannot be mounted is left
    /// out.
    pub fn mount_root(&mut self, rootfs: Rootfs, by: &Rootfs, bare: Option<BorrowedFd<'_>>) {
        self.likely = Root::mount(rootfs, by, bare);
    }

    /// Makes the likely root the container's if it is this one and can be, and drops it
    /// otherwise. True if the container has it.
    pub fn keep_root(&mut self, rootfs: &Rootfs, spec: &Spec) -> bool {
        let fits = |root: &Root| {
            let alone = root.namespace().is_none() || takes_a_namespace(spec);
            let maps = spec.linux.as_ref().and_then(IdMaps::of);
            maps.is_none() && alone && root.is(rootfs)
        };
        self.root = self.likely.take().filter(fits);
        self.root.is_some()
    }

    /// Makes the root one that nobody was found to have yet.
    pub fn offer_root(&mut self) {
        self.likely = self.root.take();
    }

    /// The mount namespace of which the container's root is the root, to be joined.
    pub fn mount_namespace(&self) -> Option<BorrowedFd<'_>> {
        self.root.as_ref().and_then(Root::namespace)
    }

    /// The container's root, if it is mounted.
    pub(crate) fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// The container does not get the trees with a file system of this type.
    pub fn leave_out(&mut self, kind: &str) {
        let is = |mount: &Requested| mount.kind == kind;
        let has = |tree: &mut Ready| tree.mounts.iter().any(is);
        self.left_out.extend(self.trees.extract_if(.., has));
    }

    /// The tree that is the mount `at` of these and others after it, and which those are.
    pub(crate) fn find(&self, mounts: &[Requested], at: usize) -> Option<(&Ready, Vec<usize>)> {
        let found = |tree: &Ready| tree.find(mounts, at);
        let mut trees = self.trees.iter();
        trees.find_map(|tree| Some((tree, found(tree)?)))
    }
}

impl Ready {
    /// A file system, and the control groups that are mounted in it.
    fn top(mount: &Requested, cgroup: Option<&Cgroup>) -> Option<Self> {
        let planned = planned(mount.clone(), cgroup).ok()?;
        let (top, inside) = planned.split_first()?;
        // A tmpfs without a mode takes that of the directory it covers.
        if top.kind() == Some(b"tmpfs") && !top.has_mode() {
            return None;
        }
        let tree = steps::own(top, None).ok()?;
        for mount in inside {
            attach(&tree, mount.target.name_in(&top.target)?, mount).ok()?;
        }
        if mount.destination == DEV {
            steps::usual_devices(tree.as_fd()).ok()?;
        }
        if top.late_readonly {
            steps::seal(tree.as_fd()).ok()?;
        }
        Some(Self {
            mounts: vec![mount.clone()],
            tree,
        })
    }

    /// Whether a mount goes in this tree.
    fn takes(&self, mount: &Requested) -> bool {
        let top = self.mounts.first();
        top.is_some_and(|top| top.kind == "tmpfs" && below(top, mount).is_some())
    }

    /// Mounts in this tree; false if the kernel does not do that.
    fn add(&mut self, mount: &Requested) -> bool {
        let inside = self.mounts.first().and_then(|top| below(top, mount));
        let Some(destination) = inside.map(str::to_owned) else {
            return false;
        };
        let moved = Requested {
            destination,
            ..mount.clone()
        };
        let Ok(planned) = planned(moved, None) else {
            return false;
        };
        let [one] = &*planned else { return false };
        let made = steps::in_root(self.tree.as_fd(), one).is_ok();
        if made {
            self.mounts.push(mount.clone());
        }
        made
    }

    /// Which of `mounts` this tree is, if its top is the one `at`: what else is mounted below it
    /// comes later.
    fn find(&self, mounts: &[Requested], at: usize) -> Option<Vec<usize>> {
        let (top, inside) = self.mounts.split_first()?;
        if mounts.get(at) != Some(top) {
            return None;
        }
        let mut found = vec![at];
        let mut wanted = inside.iter().peekable();
        for (number, mount) in mounts.iter().enumerate().skip(at + 1) {
            match wanted.peek() {
                None => break,
                Some(next) if *next == mount => {
                    wanted.next();
                    found.push(number);
                }
                Some(_) if below(top, mount).is_some() => return None,
                Some(_) => {}
            }
        }
        wanted.peek().is_none().then_some(found)
    }

    /// Whether device nodes and links are in it.
    pub(crate) fn has_devices(&self) -> bool {
        self.mounts
            .first()
            .is_some_and(|top| top.destination == DEV)
    }

    /// The tree, to be attached once.
    pub(crate) fn tree(&self) -> io::Result<OwnedFd> {
        self.tree.try_clone()
    }

    /// A copy of the tree, with the same file systems.
    ///
    /// # Errors
    /// Before Linux 6.15 the kernel makes none of what is mounted nowhere.
    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::AT_RECURSIVE;
        Ok(open_tree(&self.tree, c"", flags)?)
    }
}

/// Whether a container gets a new mount namespace that can be one without the host's mounts, which
/// hooks look at, and not of a user namespace.
fn takes_a_namespace(spec: &Spec) -> bool {
    let takes = |linux: &Linux| {
        let has = |is: &dyn Fn(&Namespace) -> bool| linux.namespaces.iter().any(is);
        has(&|one| one.kind == NamespaceKind::Mount && one.path.is_empty())
            && !has(&|one| one.kind == NamespaceKind::User)
            && linux.rootfs_propagation.is_none()
    };
    spec.hooks.is_none() && spec.linux.as_ref().is_some_and(takes)
}

/// Attaches a mount of something that is there at a name in a tree.
fn attach(tree: &OwnedFd, name: &CStr, mount: &Mount) -> rustix::io::Result<()> {
    let Source::Tree(Tree::Detached(inner)) = &mount.source else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat(tree, name, flags, Mode::empty())?;
    steps::move_to(inner.as_fd(), place.as_fd())
}

/// The part of a destination below another mount's.
fn below<'a>(top: &Requested, mount: &'a Requested) -> Option<&'a str> {
    let rest = mount.destination.strip_prefix(&top.destination)?;
    rest.starts_with('/').then_some(rest)
}

/// What a container would plan for a mount.
fn planned(mount: Requested, cgroup: Option<&Cgroup>) -> Result<Vec<Mount>, Error> {
    // As containers are that are made ahead for.
    let cgroup_namespace = Namespace {
        kind: NamespaceKind::Cgroup,
        path: String::new(),
    };
    let spec = Spec {
        mounts: vec![mount],
        linux: Some(Linux {
            namespaces: vec![cgroup_namespace],
            ..Linux::default()
        }),
        ..Spec::default()
    };
    let id = ContainerId::from_random([0; 32]);
    let request = Create {
        id: &id,
        spec: &spec,
        bundle: Path::new("/"),
        rootfs: &Rootfs::Layers {
            lower: Vec::new(),
            writable: None,
        },
        stdio: Stdio::Inherit,
        cgroup,
        seccomp: None,
        gate: Gate::Held,
        cloned: None,
        preserve_fds: 0,
        keep_keyring: true,
        no_pivot: false,
        stock: None,
    };
    plan::mounts(&request, Part::Whole)
}
