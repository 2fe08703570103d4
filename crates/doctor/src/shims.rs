//! Which shims live, by the run directory and the kernel's word on each pid.

use crate::Findings;
use proto::run;
use std::collections::BTreeMap;
use std::fs;
use types::Paths;

/// Sandboxes with a live shim, and its pid.
pub(crate) fn alive(paths: &Paths, findings: &mut Findings) -> BTreeMap<String, u32> {
    let mut alive = BTreeMap::new();
    let Ok(entries) = fs::read_dir(paths.shims()) else {
        return alive;
    };
    let boot = sys::identity::boot_id().unwrap_or_default();
    for entry in entries.flatten() {
        let file = entry.path().join(run::SHIM);
        let Ok(text) = fs::read(&file) else { continue };
        match serde_json::from_slice::<run::Shim>(&text) {
            Ok(shim) if shim.boot_id == boot && lives(&shim.process) => {
                let sandbox = entry.file_name().to_string_lossy().into_owned();
                alive.insert(sandbox, shim.process.pid.cast_unsigned());
            }
            Ok(_) => {}
            Err(error) => findings.unread(file.display(), error),
        }
    }
    alive
}

/// Whether it is this process that has its number, and it runs.
fn lives(process: &run::Identity) -> bool {
    sys::identity::lives(process.pid, process.start_time)
}
