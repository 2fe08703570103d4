//! What is made ahead for the first container: all that takes time and does not depend on which
//! container it is.

use crate::containers::New;
use crate::error::{Error, Result};
use crate::record;
use crate::sandbox::Sandbox;
use crate::service::json;
use ::container::{Begun, Create, Gate, Stdio, Stock};
use cgroup::{Cgroup, Driver, Hierarchies, Reach};
use oci::runtime::{Namespace, NamespaceKind, Process, Resources, Spec};
use proto::run;
use proto::shim::PrepareRequest;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use sys::namespace::{self, Kind};
use types::{ContainerId, Layer, Rootfs};

/// Everything that was made ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// Namespaces, where making them is allowed.
    namespaces: Option<Namespaces>,
    /// The control group, without limits, and its path in the configuration.
    cgroup: Cgroup,
    path: String,
    /// Mounts.
    stock: Stock,
    /// The init itself, where it could begin.
    begun: Option<Begun>,
}

impl Sandbox {
    /// Makes ahead what the container of the sandbox's own id will need. It is described before,
    /// so that it is found if we die.
    pub(crate) fn prepare(
        &mut self,
        asked: &PrepareRequest,
        mounts: (&[OwnedFd], Option<&OwnedFd>),
    ) -> Result<()> {
        let bundle = self.place.bundle(&self.place.sandbox);
        fs::create_dir(&bundle).map_err(Error::io("make", &bundle))?;
        let made = self.make_ahead(asked, mounts, &bundle);
        if made.is_err() {
            // The container is made without.
            drop(fs::remove_dir_all(&bundle));
        }
        made
    }

    fn make_ahead(
        &mut self,
        asked: &PrepareRequest,
        (layers, bare): (&[OwnedFd], Option<&OwnedFd>),
        bundle: &Path,
    ) -> Result<()> {
        let likely: Spec = serde_json::from_slice(&asked.configuration)
            .map_err(Error::invalid("configuration"))?;
        let rootfs: Option<Rootfs> = match asked.rootfs.is_empty() {
            true => None,
            false => Some(json("rootfs", &asked.rootfs)?),
        };
        let hierarchies = Hierarchies::probe()?;
        let id = self.place.sandbox.clone();
        let request = request(&id, &asked.cgroups_path, None);
        let planned = Cgroup::planned(&hierarchies, &request)?;
        let document = self.described(&id, Path::new(&asked.directory), planned);
        record::replace(bundle, run::PREPARED, &document)?;
        let mut cgroup = Cgroup::create_in(&hierarchies, &request)?;
        cgroup.open_doors();
        if let Ok(rules) = serde_json::from_slice(&asked.devices) {
            // What cannot be applied now is applied when the container is made, or told of then.
            drop(cgroup.limit_devices(rules));
        }
        self.hierarchies = Some(hierarchies);
        let mut stock = Stock::default();
        let namespaces = Namespaces::make(|| stock = Stock::make(&likely.mounts, Some(&cgroup)))?;
        let mut ahead = Ahead {
            namespaces,
            cgroup,
            path: asked.cgroups_path.clone(),
            stock,
            begun: None,
        };
        if let Some(rootfs) = rootfs {
            let mut by = rootfs.clone();
            use_mounts(&mut by, layers);
            let stock = &mut ahead.stock;
            stock.mount_root(rootfs.clone(), &by, bare.map(OwnedFd::as_fd));
            ahead.begin(likely, &rootfs, &self.place.sandbox);
        }
        self.ahead = Some(ahead);
        Ok(())
    }

    /// Removes what was made ahead and not used.
    pub(crate) fn discard_ahead(&mut self) -> Result<()> {
        let Some(ahead) = self.ahead.take() else {
            return Ok(());
        };
        let bundle = self.place.bundle(&self.place.sandbox);
        // It is in the group.
        drop(ahead.begun);
        let removed = ahead.cgroup.delete();
        fs::remove_dir_all(&bundle).map_err(Error::io("remove", &bundle))?;
        Ok(removed?)
    }

    /// What was made ahead, if it is for this container; otherwise it is removed.
    pub(crate) fn take_ahead(&mut self, new: &New) -> Result<Option<Ahead>> {
        let path = new.spec.linux.as_ref().map(|linux| &*linux.cgroups_path);
        let fits =
            |ahead: &Ahead| *new.id.as_str() == *self.place.sandbox && path == Some(&ahead.path);
        if self.ahead.as_ref().is_some_and(fits) && new.directory.is_some() {
            return Ok(self.ahead.take());
        }
        self.discard_ahead().map(|()| None)
    }
}

/// Puts mounts in the place of the images they were made from: to overlay they are directories.
/// One layer alone is no overlay.
pub(crate) fn use_mounts(rootfs: &mut Rootfs, mounts: &[OwnedFd]) {
    let Rootfs::Layers {
        lower,
        writable: Some(_),
    } = rootfs
    else {
        return;
    };
    for (layer, mount) in lower.iter_mut().zip(mounts) {
        let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
        *layer = Layer::Directory(path.into());
    }
}

/// A control group: systemd's, if its path is `SLICE:PREFIX:NAME`, or one that we make ourselves.
pub(crate) fn request<'a>(
    id: &'a str,
    path: &'a str,
    resources: Option<&'a Resources>,
) -> cgroup::Request<'a> {
    cgroup::Request {
        id,
        path: (!path.is_empty()).then_some(path),
        resources,
        intel_rdt: None,
        reach: Reach::Limited,
        driver: driver(path),
        properties: &[],
    }
}

/// Who makes the group at a path.
fn driver(path: &str) -> Driver {
    let mut parts = path.split(':');
    let named = (parts.next(), parts.next(), parts.next(), parts.next());
    match named {
        (Some(slice), Some(_), Some(name), None) if !slice.contains('/') && !name.contains('/') => {
            Driver::Systemd
        }
        _ => Driver::Cgroupfs,
    }
}

/// What is left of it once its cgroup was taken.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// What the set-up has used up.
    pub(crate) used: Vec<OwnedFd>,
    namespaces: Option<Namespaces>,
    /// Mounts.
    pub(crate) stock: Stock,
    /// The init, if it is one for this container.
    pub(crate) begun: Option<Begun>,
}

impl Ahead {
    /// Has an init begin in what was made. Without one the container's does all of it.
    fn begin(&mut self, mut likely: Spec, rootfs: &Rootfs, id: &str) {
        // What makes no difference to what is begun.
        likely.process = Some(Process {
            args: vec!["/".to_owned()],
            cwd: "/".to_owned(),
            ..Process::default()
        });
        let Ok(id) = id.parse::<ContainerId>() else {
            return;
        };
        if !self.stock.keep_root(rootfs, &likely) {
            return;
        }
        join_all(&mut likely, &self.stock, self.namespaces.as_ref());
        let begun = Begun::begin(&Create {
            id: &id,
            spec: &likely,
            bundle: Path::new("/"),
            rootfs,
            stdio: Stdio::Inherit,
            cgroup: Some(&self.cgroup),
            seccomp: None,
            gate: Gate::Open,
            preserve_fds: 0,
            keep_keyring: true,
            no_pivot: false,
            stock: Some(&self.stock),
            cloned: None,
        });
        self.begun = begun.unwrap_or_default();
        self.stock.offer_root();
    }

    /// The cgroup, and the rest.
    pub(crate) fn split(self) -> (Cgroup, Rest) {
        let rest = Rest {
            used: Vec::new(),
            namespaces: self.namespaces,
            stock: self.stock,
            begun: self.begun,
        };
        (self.cgroup, rest)
    }
}

impl Rest {
    /// Puts the namespaces in the place of new ones in the configuration, which must be used while
    /// this lives; mounts of a namespace that the container does not get are dropped, and a root
    /// that is not its own.
    pub(crate) fn give(&mut self, new: &mut New, cgroup: &Cgroup) {
        let has_root = self.stock.keep_root(&new.rootfs, &new.spec);
        let fits = |begun: &mut Begun| has_root && new.start && begun.fits(&new.spec);
        self.begun = self.begun.take_if(fits);
        if !has_root {
            new.use_mounts();
        }
        let spec = &mut new.spec;
        let given = join_all(spec, &self.stock, self.namespaces.as_ref());
        let linux = spec.linux.iter();
        let mut namespaces = linux.flat_map(|linux| &linux.namespaces);
        // In the host's namespace all of version 2 is seen; of several hierarchies the same is.
        if !namespaces.any(|one| one.kind == NamespaceKind::Cgroup) && cgroup.is_unified() {
            self.stock.leave_out("cgroup");
        }
        for (kind, of) in [
            ("sysfs", NamespaceKind::Network),
            ("mqueue", NamespaceKind::Ipc),
        ] {
            if !given.contains(&of) {
                self.stock.leave_out(kind);
            }
        }
    }
}

/// Puts namespaces that are there in the place of new ones in a configuration, and says which.
fn join_all(spec: &mut Spec, stock: &Stock, namespaces: Option<&Namespaces>) -> Vec<NamespaceKind> {
    if let Some(there) = stock.mount_namespace() {
        let mut all = spec.linux.iter_mut().flat_map(|l| &mut l.namespaces);
        if let Some(own) = all.find(|one| one.kind == NamespaceKind::Mount) {
            join(own, there);
        }
    }
    namespaces.map_or_else(Vec::new, |namespaces| namespaces.give(spec))
}

/// Namespaces that the first container of the sandbox gets instead of making them.
#[derive(Debug)]
struct Namespaces {
    made: [(NamespaceKind, OwnedFd); 3],
}

/// Kinds that are the same for all containers until something is done in them.
const KINDS: [(NamespaceKind, Kind); 3] = [
    (NamespaceKind::Network, Kind::Network),
    (NamespaceKind::Ipc, Kind::Ipc),
    (NamespaceKind::Uts, Kind::Uts),
];

impl Namespaces {
    /// Makes them, with the loopback interface up, and does something `inside`. `None` without
    /// the privilege: in a user namespace of its own a container makes its others too.
    fn make(inside: impl FnOnce()) -> Result<Option<Self>> {
        let failed = |error| Error::io("prepare", Path::new("namespaces"))(error);
        let own = open_all().map_err(failed)?;
        let all = KINDS.iter().fold(0, |all, (_, kind)| all | kind.flag());
        if namespace::unshare(all).is_err() {
            return Ok(None);
        }
        let made = sys::link::loopback_up().and_then(|()| open_all());
        inside();
        // Whatever went wrong, the shim itself stays where it was.
        for ((_, fd), (_, kind)) in own.iter().zip(KINDS) {
            namespace::join(fd.as_fd(), kind).map_err(failed)?;
        }
        made.map(|made| Some(Self { made })).map_err(failed)
    }

    /// Puts them in the place of new ones in `spec`, and says which.
    fn give(&self, spec: &mut Spec) -> Vec<NamespaceKind> {
        let mut given = Vec::new();
        let Some(linux) = &mut spec.linux else {
            return given;
        };
        let mut namespaces = linux.namespaces.iter();
        // Its namespaces are to belong to its users.
        if namespaces.any(|one| one.kind == NamespaceKind::User) {
            return given;
        }
        for namespace in &mut linux.namespaces {
            let found = self.made.iter().find(|(kind, _)| *kind == namespace.kind);
            if let (Some((_, fd)), true) = (found, namespace.path.is_empty()) {
                join(namespace, fd.as_fd());
                given.push(namespace.kind);
            }
        }
        given
    }
}

/// Has a namespace joined instead of made.
fn join(namespace: &mut Namespace, there: BorrowedFd<'_>) {
    namespace.path = format!("/proc/self/fd/{}", there.as_raw_fd());
}

fn open_all() -> io::Result<[(NamespaceKind, OwnedFd); 3]> {
    let open = |kind: Kind| -> io::Result<OwnedFd> {
        let path = format!("/proc/self/ns/{}", kind.file());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(path, flags, Mode::empty())?)
    };
    let [(a, net), (b, ipc), (c, uts)] = KINDS;
    Ok([(a, open(net)?), (b, open(ipc)?), (c, open(uts)?)])
}
