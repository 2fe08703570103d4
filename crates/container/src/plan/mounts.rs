//! The configuration's mounts, in their order.

use super::Part;
use super::attributes::{Dressing, Options};
use super::bind::{self, Ids, Tree};
use super::cgroups;
use super::devices;
use super::enter::mount_at;
use super::root;
use super::text::{Target, c};
use crate::Error;
use crate::create::Create;
use crate::files::Source as Files;
use crate::stock::{Ready, Stock};
use oci::runtime::{
    IdMaps, Linux, Mount as Requested, Namespace, NamespaceKind, Propagation as RootPropagation,
};
use rustix::fs::{Mode, OFlags};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use sys::mount::{Extent, Propagation, attribute};
use types::Rootfs;

/// One mount.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) target: Target,
    pub(crate) source: Source,
    /// What the mount gets once it is made; trees that are detached have it already.
    pub(crate) dressing: Dressing,
    /// Symbolic links made in it: name and value.
    pub(crate) links: Vec<(CString, CString)>,
    /// Directories made in it, which are the places of further mounts: before it is attached
    /// there is nothing to look up.
    pub(crate) directories: Vec<CString>,
    /// It becomes read-only when everything inside it is made.
    pub(crate) late_readonly: bool,
    /// The usual device nodes are in it.
    pub(crate) devices: bool,
    /// The maps that its tree gets when it is there.
    pub(crate) idmap: Option<(OwnedFd, Extent)>,
    /// Source and destination, as the configuration names them, for errors.
    pub(crate) label: Vec<u8>,
}

/// What is mounted.
#[derive(Debug)]
pub(crate) enum Source {
    /// A part of the host's tree.
    Tree(Tree),
    /// A file system of its own.
    FileSystem {
        kind: CString,
        source: CString,
        data: Vec<(CString, Option<CString>)>,
        copy_up: bool,
        /// SELinux's label of the root, where it is no option.
        label: Option<CString>,
    },
}

impl Mount {
    /// The file system's type, if it is one of its own.
    pub(crate) fn kind(&self) -> Option<&[u8]> {
        match &self.source {
            Source::FileSystem { kind, .. } => Some(kind.to_bytes()),
            Source::Tree(_) => None,
        }
    }

    /// Whether the file system is told its root's mode.
    pub(crate) fn has_mode(&self) -> bool {
        match &self.source {
            Source::FileSystem { data, .. } => data.iter().any(|(key, _)| &**key == c"mode"),
            Source::Tree(_) => false,
        }
    }
}

pub(crate) fn plan(request: &Create<'_>, part: Part<'_>) -> Result<Vec<Mount>, Error> {
    let mounts = &request.spec.mounts;
    let mut planned = Vec::with_capacity(mounts.len() + 1);
    let stock = usable_stock(request);
    let mut ready = Vec::new();
    for (i, mount) in mounts.iter().enumerate() {
        if ready.contains(&i) || !part.has(mount) {
            continue;
        }
        let field = format!("mounts[{i}]");
        let at = inside_root(request, Path::new(&mount.destination));
        let at = at.as_deref().unwrap_or(&mount.destination);
        let target = Target::plan(&format!("{field}.destination"), at)?;
        if target.parts.is_empty() {
            let field = format!("{field}.destination");
            return Err(Error::invalid(field, "is the root itself"));
        }
        if let Some((made, which)) = stock.and_then(|stock| stock.find(mounts, i)) {
            ready.extend(which);
            planned.push(from_stock(target, made, part)?);
            continue;
        }
        let mut options = Options::parse(&field, &mount.options)?;
        options.dressing.locked = user_namespace(request).is_some();
        let one = One {
            field: &field,
            requested: mount,
            request,
        };
        match mount.kind.as_str() {
            _ if options.bind.is_some() || mount.kind == "bind" => {
                planned.push(one.bind(target, options)?);
            }
            "cgroup" | "cgroup2" => {
                cgroups::plan(&field, request, (target, options), &mut planned)?;
            }
            LAYERS => planned.push(one.layers(target, options)?),
            DETACHED => planned.push(one.detached(target, options)?),
            "" | "none" => {
                let reason = "missing, and no bind among the options";
                return Err(Error::invalid(format!("{field}.type"), reason));
            }
            _ => planned.push(one.file_system(target, options)?),
        }
    }
    name_places(&mut planned);
    Ok(planned)
}

/// The mounts made ahead, if they are as this container's would be.
fn usable_stock<'a>(request: &Create<'a>) -> Option<&'a Stock> {
    let stock = request.stock?;
    let linux = request.spec.linux.as_ref()?;
    let alike = linux.mount_label.is_empty() && !devices::changes_usual(linux);
    // In a user namespace they belong to its users.
    (alike && user_namespace(request).is_none()).then_some(stock)
}

fn from_stock(target: Target, made: &Ready, part: Part<'_>) -> Result<Mount, Error> {
    let tree = match part {
        // Another container may get it.
        Part::First(_) => made.copy(),
        Part::Whole | Part::Rest(_) => made.tree(),
    };
    let tree = tree.map_err(Error::process("take a mount made ahead"))?;
    Ok(Mount {
        devices: made.has_devices(),
        ..self::tree(target, Tree::Detached(tree))
    })
}

/// Tells each tmpfs which file systems are mounted directly in it later.
fn name_places(planned: &mut [Mount]) {
    for at in 0..planned.len() {
        let (base, later) = planned[at..].split_at_mut(1);
        let [base] = base else { continue };
        if base.kind() != Some(b"tmpfs") {
            continue;
        }
        let later = later.iter().filter(|mount| mount.kind().is_some());
        let names = later.filter_map(|mount| mount.target.name_in(&base.target));
        base.directories.extend(names.map(CString::from));
    }
}

/// A host's path that names something below the root by the root's own path.
///
/// COMPAT: a destination so written is taken for what it names, and a source is what earlier
/// mounts made of it.
fn inside_root(request: &Create<'_>, path: &Path) -> Option<String> {
    let Rootfs::Directory(root) = request.rootfs else {
        return None;
    };
    let below = path.strip_prefix(root).ok()?;
    Some(format!("/{}", below.display()))
}

/// The place inside the root that a bind's source is, unless it leads out of the root.
fn source_inside(request: &Create<'_>, field: &str, path: &Path) -> Result<Option<CString>, Error> {
    let Some(below) = inside_root(request, path) else {
        return Ok(None);
    };
    let stays = match (path.canonicalize(), request.rootfs) {
        (Ok(real), Rootfs::Directory(root)) => {
            let root = root.canonicalize();
            root.is_ok_and(|root| real.starts_with(root))
        }
        // What is not there yet may be there when its turn comes.
        _ => true,
    };
    if !stays {
        return Ok(None);
    }
    Ok(Some(Target::plan(field, &below)?.path))
}

fn user_namespace<'a>(request: &Create<'a>) -> Option<&'a Namespace> {
    let linux = request.spec.linux.iter();
    let mut namespaces = linux.flat_map(|linux| &linux.namespaces);
    namespaces.find(|namespace| namespace.kind == NamespaceKind::User)
}

fn joined_user_namespace<'a>(request: &Create<'a>) -> Option<&'a str> {
    let path = user_namespace(request)?.path.as_str();
    (!path.is_empty()).then_some(path)
}

/// What an error says of a mount.
fn label(mount: &Requested) -> Vec<u8> {
    [mount.source.as_bytes(), mount.destination.as_bytes()].join(&0)
}

/// Our own type of mount: an image's layers, read-only.
const LAYERS: &str = "corten.layers";
/// Another one: the detached tree that a path in procfs leads to. It is taken itself, not a
/// copy of it, which older kernels do not make of what is mounted nowhere.
const DETACHED: &str = "corten.detached";

/// Has a bind be as the root is to be, unless it has an option of its own.
fn propagate(dressing: &mut Dressing, of_root: Option<RootPropagation>) {
    match dressing.propagation {
        None => {
            let silent = root::silent_propagation(of_root);
            dressing.propagation = silent.map(|silent| (silent, Extent::Tree));
        }
        // It is cut off whatever it was.
        Some((Propagation::Private, Extent::Tree)) => {}
        Some(_) => dressing.first_propagation = root::first_propagation(of_root),
    }
}

struct One<'a> {
    field: &'a str,
    requested: &'a Requested,
    request: &'a Create<'a>,
}

impl One<'_> {
    fn bind(&self, target: Target, mut options: Options) -> Result<Mount, Error> {
        if let Some((key, _)) = options.data.first() {
            let reason = format!("{key:?} is no option of a bind mount");
            return Err(Error::invalid(format!("{}.options", self.field), reason));
        }
        let linux = self.request.spec.linux.as_ref();
        let whole = options.idmap.is_some() && self.requested.uid_mappings.is_empty();
        let joined = joined_user_namespace(self.request);
        let (uids, gids) = match linux {
            // Without maps of its own an idmapped mount has the container's.
            Some(linux) if whole && joined.is_none() => (&linux.uid_mappings, &linux.gid_mappings),
            _ => (&self.requested.uid_mappings, &self.requested.gid_mappings),
        };
        let ids = Ids {
            field: self.field,
            uids,
            gids,
            joined,
        };
        let path = self.request.bundle.join(&self.requested.source);
        let inside = source_inside(self.request, self.field, &path)?;
        let silent = options.dressing.propagation.is_none();
        propagate(
            &mut options.dressing,
            linux.and_then(|linux| linux.rootfs_propagation),
        );
        let bound = bind::open(&path, inside, &mut options, &ids);
        let bound = bound.map_err(|error| error.of_mount(self.requested))?;
        if let (true, Tree::Detached(tree)) = (silent && self.is_on_roots_mount(&path), &bound.tree)
        {
            bind::make_private(tree.as_fd()).map_err(Error::host("set propagation of", &path))?;
        }
        Ok(Mount {
            dressing: options.dressing,
            idmap: bound.idmap,
            label: label(self.requested),
            ..tree(target, bound.tree)
        })
    }

    /// Whether the source is on the mount that the root is on, where that is made private.
    fn is_on_roots_mount(&self, source: &Path) -> bool {
        let Rootfs::Directory(root) = self.request.rootfs else {
            return false;
        };
        let hears = self.request.spec.linux.as_ref().is_some_and(root::hears);
        let same = || Some(mount_at(source).ok()? == mount_at(root).ok()?);
        !hears && same() == Some(true)
    }

    fn layers(&self, target: Target, options: Options) -> Result<Mount, Error> {
        let layers = Files::Layers(options.layers);
        let source = match options.subpath {
            Some(path) => Files::Below(Box::new(layers), path),
            None => layers,
        };
        let linux = self.request.spec.linux.as_ref();
        let tree = source.open(Extent::Mount, linux.and_then(IdMaps::of).as_ref())?;
        let made = options.dressing.add_to(tree.as_fd());
        made.map_err(|errno| {
            Error::host("set attributes of", &self.requested.destination)(errno.into())
        })?;
        Ok(self::tree(target, Tree::Detached(tree)))
    }

    fn detached(&self, target: Target, options: Options) -> Result<Mount, Error> {
        let source = &self.requested.source;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let tree = rustix::fs::open(source, flags, Mode::empty())
            .map_err(|errno| Error::host("open", source)(errno.into()))?;
        let made = options.dressing.add_to(tree.as_fd());
        made.map_err(|errno| Error::host("set attributes of", source)(errno.into()))?;
        Ok(self::tree(target, Tree::Detached(tree)))
    }

    fn file_system(&self, target: Target, options: Options) -> Result<Mount, Error> {
        if options.idmap.is_some() || !self.requested.uid_mappings.is_empty() {
            let what = "id maps of a mount that is no bind mount";
            return Err(Error::unsupported(self.field, what));
        }
        let kind = self.requested.kind.as_str();
        if options.copy_up && kind != "tmpfs" {
            let field = format!("{}.options", self.field);
            return Err(Error::invalid(field, "tmpcopyup is for tmpfs"));
        }
        let source = match self.requested.source.as_str() {
            "" => kind,
            source => source,
        };
        let Options {
            mut dressing,
            mut data,
            copy_up,
            ..
        } = options;
        let mut label = None;
        match kind {
            // The kernel's own files have labels of their own.
            "proc" | "sysfs" => {}
            "mqueue" => label = self.mount_label()?,
            _ => data.extend(label_option(self.mount_label()?, &data)),
        }
        let late_readonly = kind == "tmpfs" && dressing.mount.set & attribute::RDONLY != 0;
        if late_readonly {
            dressing.mount.set &= !attribute::RDONLY;
        }
        Ok(Mount {
            target,
            source: Source::FileSystem {
                kind: c(self.field, kind)?,
                source: c(self.field, source)?,
                data,
                copy_up,
                label,
            },
            dressing,
            links: Vec::new(),
            directories: Vec::new(),
            late_readonly,
            devices: false,
            idmap: None,
            label: self::label(self.requested),
        })
    }

    fn mount_label(&self) -> Result<Option<CString>, Error> {
        mount_label(self.request.spec.linux.as_ref())
    }
}

/// The configuration's label of file systems.
pub(super) fn mount_label(linux: Option<&Linux>) -> Result<Option<CString>, Error> {
    let label = linux.map(|linux| linux.mount_label.as_str());
    let label = label.filter(|label| !label.is_empty());
    label.map(|label| c("linux.mountLabel", label)).transpose()
}

/// A label as a mount's option, unless there is one already.
pub(super) fn label_option(
    label: Option<CString>,
    data: &[(CString, Option<CString>)],
) -> Option<(CString, Option<CString>)> {
    let own = |(key, _): &(CString, Option<CString>)| key.to_bytes().ends_with(b"context");
    let label = label.filter(|_| !data.iter().any(own))?;
    Some((c"context".to_owned(), Some(label)))
}

/// A tmpfs that other mounts go into.
pub(crate) fn tmpfs(field: &str, target: Target, dressing: Dressing) -> Result<Mount, Error> {
    Ok(Mount {
        target,
        source: Source::FileSystem {
            kind: c(field, "tmpfs")?,
            source: c(field, "tmpfs")?,
            data: vec![(c(field, "mode")?, Some(c(field, "755")?))],
            copy_up: false,
            label: None,
        },
        dressing,
        links: Vec::new(),
        directories: Vec::new(),
        late_readonly: false,
        devices: false,
        idmap: None,
        label: Vec::new(),
    })
}

/// A detached tree of the host at a target.
pub(crate) fn tree(target: Target, tree: Tree) -> Mount {
    Mount {
        target,
        source: Source::Tree(tree),
        dressing: Dressing::default(),
        links: Vec::new(),
        directories: Vec::new(),
        late_readonly: false,
        devices: false,
        idmap: None,
        label: Vec::new(),
    }
}
