//! Control groups: corten's own are `…/INSTANCE/CONTAINER` in every hierarchy.

use crate::{Case, Findings, Leak, What, mountinfo};
use std::fs;
use std::path::{Path, PathBuf};

/// How deep below a hierarchy's root an instance's group is looked for.
const DEPTH: usize = 6;

pub(crate) fn examine(case: &Case<'_>, findings: &mut Findings) {
    for group in own(case) {
        for container in children(&group) {
            let name = container
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if owned(case, &name) {
                continue;
            }
            let members = pids(&container);
            let why = format!("container {name} has no live shim");
            findings.leak(Leak::new(What::Cgroup, container.display(), why.clone()));
            for pid in members {
                findings.leak(Leak::new(
                    What::Process,
                    pid,
                    format!("in {}: {why}", container.display()),
                ));
            }
        }
    }
}

/// A container's group is owned while a shim lives that holds it: its own sandbox's, or any
/// whose run directory has a bundle of it.
fn owned(case: &Case<'_>, container: &str) -> bool {
    case.live.contains(container)
        || case
            .live
            .iter()
            .any(|sandbox| case.paths.shims().join(sandbox).join(container).exists())
}

/// The groups named after this instance, in every hierarchy mounted here.
fn own(case: &Case<'_>) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut groups = Vec::new();
    for mount in table.lines().filter_map(mountinfo::parse) {
        if matches!(mount.fstype.as_str(), "cgroup" | "cgroup2") {
            find(&mount.point, &case.instance, DEPTH, &mut groups);
        }
    }
    groups
}

fn find(folder: &Path, name: &str, depth: usize, groups: &mut Vec<PathBuf>) {
    for child in children(folder) {
        if child.file_name().is_some_and(|own| own == name) {
            groups.push(child);
        } else if depth > 0 {
            find(&child, name, depth - 1, groups);
        }
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries
        .flatten()
        .filter(is_folder)
        .map(|entry| entry.path())
        .collect()
}

fn pids(group: &Path) -> Vec<String> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
