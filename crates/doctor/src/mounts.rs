//! Mounts and pinned namespaces below corten's directories.
//!
//! corten mounts nothing in the host's mount namespace, except that a sandbox's network
//! namespace may be pinned on `RUN/shims/SANDBOX/`, and what a volume's options name is mounted
//! on the volume while a container has it. Anything else there is left behind.

use crate::{Case, Findings, Leak, Records, What, mountinfo};
use std::fs;
use std::path::Path;

pub(crate) fn examine(case: &Case<'_>, findings: &mut Findings) {
    let table = match fs::read_to_string("/proc/self/mountinfo") {
        Ok(table) => table,
        Err(error) => return findings.unread("/proc/self/mountinfo", error),
    };
    for mount in table.lines().filter_map(mountinfo::parse) {
        let inside = [&case.paths.root, &case.paths.run]
            .into_iter()
            .any(|own| mount.point.starts_with(own) && mount.point != *own);
        if !inside {
            continue;
        }
        let owner = mount
            .point
            .strip_prefix(case.paths.shims())
            .ok()
            .and_then(|rest| rest.iter().next());
        let owned =
            owner.is_some_and(|sandbox| case.live.contains(sandbox.to_string_lossy().as_ref()));
        let name = mount.point.display();
        match mount.fstype.as_str() {
            "nsfs" if owned => {}
            "nsfs" => findings.leak(Leak::new(
                What::Namespace,
                name,
                "its sandbox has no live shim",
            )),
            _ if is_volume(case, &mount.point) => {}
            _ => findings.leak(Leak::new(
                What::Mount,
                name,
                "corten keeps no mounts in the host's namespace",
            )),
        }
    }
}

/// Whether a volume on record has its files there.
fn is_volume(case: &Case<'_>, point: &Path) -> bool {
    let Records::Objects { volumes, .. } = case.records else {
        return *case.records == Records::Unknown;
    };
    let volumes_dir = case.paths.volumes();
    volumes
        .iter()
        .any(|name| point == volumes_dir.join(name).join("_data"))
}
