//! Mounts of type cgroup: the container's own groups, bound.
//!
//! A bind of the group's directory looks from inside a cgroup namespace exactly as a mount of
//! the hierarchy does, costs less, and is the only way without such a namespace.

use super::attributes::Options;
use super::bind::{self, Tree};
use super::mounts::{Mount, tmpfs, tree};
use super::text::{Target, c};
use crate::Error;
use cgroup::Cgroup;
use std::os::fd::AsFd;
use std::path::Path;
use sys::mount::{Change, Extent, Propagation, attribute};

pub(crate) fn plan(
    field: &str,
    cgroup: Option<&Cgroup>,
    (target, options): (Target, Options),
    planned: &mut Vec<Mount>,
) -> Result<(), Error> {
    let Some(cgroup) = cgroup else {
        return Err(Error::invalid(
            format!("{field}.type"),
            "the container has no control group to mount",
        ));
    };
    let paths = cgroup.state().paths;
    let change = Change {
        propagation: Some(Propagation::Private),
        ..options.dressing.mount
    };
    if let (1, Some(unified)) = (paths.len(), paths.get("")) {
        planned.push(tree(target, bound(unified, &change)?));
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
        trees.push(tree(target.below(field, name)?, bound(path, &change)?));
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

fn bound(path: &Path, change: &Change<'_>) -> Result<Tree, Error> {
    let tree = bind::clone(path, Extent::Mount)
        .map_err(|errno| Error::host("bind control group", path)(errno.into()))?;
    sys::mount::set_attributes(tree.as_fd(), c"", change, Extent::Mount)
        .map_err(Error::host("set attributes of control group", path))?;
    Ok(Tree::Detached(tree))
}
