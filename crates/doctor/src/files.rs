//! Files and logs of containers, sandboxes and volumes that are on no record.

use crate::{Case, Findings, Leak, What};
use std::fs;
use std::io;
use std::path::Path;

pub(crate) fn examine(case: &Case<'_>, findings: &mut Findings) {
    for (name, folder) in entries(&case.paths.shims(), findings) {
        if !case.live.contains(&name) {
            findings.leak(Leak::new(
                What::File,
                folder.display(),
                "its shim does not live",
            ));
        }
    }
    for (name, folder) in entries(&case.paths.volumes(), findings) {
        if !case.records.may_hold_volume(&name) {
            findings.leak(Leak::new(
                What::File,
                folder.display(),
                "no volume of that name is on record",
            ));
        }
    }
    for (name, folder) in entries(&case.paths.containers(), findings) {
        if case.records.may_hold(&name) || case.ahead.contains_key(&name) {
            continue;
        }
        findings.leak(Leak::new(
            What::File,
            folder.display(),
            "no container of that id is on record",
        ));
        for log in logs(&folder) {
            findings.leak(Leak::new(
                What::Log,
                log.display(),
                "its container is on no record",
            ));
        }
    }
}

fn entries(folder: &Path, findings: &mut Findings) -> Vec<(String, std::path::PathBuf)> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .flatten()
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            findings.unread(folder.display(), error);
            Vec::new()
        }
    }
}

/// Log files, current and rotated, of one container's directory.
fn logs(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_log = |path: &std::path::PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().contains(".log"))
    };
    entries.flatten().map(|e| e.path()).filter(is_log).collect()
}
