//! Mounts of type cgroup: the container's own groups, bound; or the caller's, in which it is where
//! its caller has no rights to make any.
//!
//! A bind of the group's directory looks from inside a cgroup namespace exactly as a mount of
//! the hierarchy does, costs less, and is the only way without such a namespace.

use super::attributes::Options;
use super::bind::{self, Tree};
use super::mounts::{Mount, tmpfs, tree};
use super::text::{Target, c};
use crate::Error;
use crate::create::Create;
use cgroup::{Cgroup, Hierarchies};
use oci::runtime::{Mount as Requested, NamespaceKind, Spec};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::path::Path;
use sys::mount::{Change, Extent, Propagation, attribute};

pub(crate) fn plan(
    field: &str,
    request: &Create<'_>,
    (target, options): (Target, Options),
    planned: &mut Vec<Mount>,
) -> Result<(), Error> {
    let probe = || Hierarchies::probe().map_err(|source| Error::Cgroup { source });
    let paths = match request.cgroup {
        Some(cgroup) => cgroup.state().paths,
        None => probe()?.own(),
    };
    let change = Change {
        propagation: Some(Propagation::Private),
        ..options.dressing.mount
    };
    if let (1, Some(unified)) = (paths.len(), paths.get("")) {
        if has_namespace(request) {
            planned.push(bound(field, target, (unified, change))?);
            return Ok(());
        }
        // COMPAT: a container in the caller's cgroup namespace sees all that the caller does.
        let known = request.cgroup.and_then(Cgroup::unified_mount);
        let found = match known {
            Some(mount) => Some(mount.to_owned()),
            None => probe()?.find("").map(|whole| whole.mount.clone()),
        };
        let whole = found.as_ref().unwrap_or(unified);
        planned.push(bound(field, target, (whole, change))?);
        return Ok(());
    }
    let at = planned.len();
    let mut dressing = options.dressing;
    let readonly = dressing.mount.set & attribute::RDONLY != 0;
    dressing.mount.set &= !attribute::RDONLY;
    let mut links = Vec::new();
    let mut directories = Vec::new();
    let mut trees = Vec::new();
    for (controllers, path) in &paths {
        let name = match controllers.strip_prefix("name=").unwrap_or(controllers) {
            "" => "unified",
            name => name,
        };
        trees.push(bound(field, target.below(field, name)?, (path, change))?);
        directories.push(c(field, name)?);
        for alias in name.split(',').filter(|alias| *alias != name) {
            links.push((c(field, alias)?, c(field, name)?));
        }
    }
    let mut base = tmpfs(field, target, dressing)?;
    base.late_readonly = readonly;
    base.links = links;
    base.directories = directories;
    planned.insert(at, base);
    planned.extend(trees);
    Ok(())
}

/// The user on the host whom the container's group of version 2 may be given: who runs in it,
/// where it has a cgroup namespace of its own and can write to what it sees there
/// (config-linux.md, "Cgroup ownership").
pub fn owner_of_cgroup(spec: &Spec) -> Option<u32> {
    let linux = spec.linux.as_ref()?;
    let new = |wanted: NamespaceKind| {
        let mut namespaces = linux.namespaces.iter();
        namespaces.any(|one| one.kind == wanted && one.path.is_empty())
    };
    let written = |mount: &Requested| {
        let access = |option: &&String| matches!(option.as_str(), "ro" | "rw");
        let last = mount.options.iter().rfind(access);
        let place = Path::new(&mount.destination).components();
        mount.source == "cgroup"
            && place.eq(Path::new("/sys/fs/cgroup").components())
            && last.is_none_or(|access| access == "rw")
    };
    if !new(NamespaceKind::Cgroup) || !spec.mounts.iter().any(written) {
        return None;
    }
    let user = spec.process.as_ref()?.user.uid;
    if linux.uid_mappings.is_empty() {
        return Some(user);
    }
    let mut maps = linux.uid_mappings.iter();
    maps.find_map(|map| {
        let at = user.checked_sub(map.container_id)?;
        (at < map.size).then(|| map.host_id.checked_add(at))?
    })
}

/// Whether the container's cgroup namespace is another than the caller's.
fn has_namespace(request: &Create<'_>) -> bool {
    let linux = request.spec.linux.iter();
    let mut namespaces = linux.flat_map(|linux| &linux.namespaces);
    namespaces.any(|namespace| namespace.kind == NamespaceKind::Cgroup)
}

fn bound(
    field: &str,
    target: Target,
    (path, change): (&Path, Change<'static>),
) -> Result<Mount, Error> {
    let cloned = match bind::clone(path, Extent::Mount) {
        // The container's own namespaces give the right to.
        Err(Errno::PERM) => {
            let path = c(field, &path.to_string_lossy())?;
            let mut late = tree(target, Tree::Late(path, Extent::Mount));
            late.dressing.tree = change;
            return Ok(late);
        }
        cloned => cloned.map_err(|errno| Error::host("bind control group", path)(errno.into()))?,
    };
    sys::mount::set_attributes(cloned.as_fd(), c"", &change, Extent::Mount)
        .map_err(Error::host("set attributes of control group", path))?;
    Ok(tree(target, Tree::Detached(cloned)))
}
