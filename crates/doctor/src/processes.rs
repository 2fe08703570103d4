//! Shims that no run directory names.

use crate::{Case, Findings, Leak, What};
use std::fs;

pub(crate) fn examine(case: &Case<'_>, findings: &mut Findings) {
    let entries = match fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(error) => return findings.unread("/proc", error),
    };
    let run = case.paths.run.to_string_lossy().into_owned();
    for entry in entries.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let words: Vec<_> = line
            .split(|b| *b == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        let is_shim = words
            .first()
            .is_some_and(|name| name.rsplit('/').next() == Some("corten-shim"));
        let is_ours = words
            .iter()
            .any(|word| *word == run || word.starts_with(&format!("{run}/")));
        if is_shim && is_ours && !case.shims.contains(&pid) {
            findings.leak(Leak::new(
                What::Process,
                pid,
                "a shim that no run directory names",
            ));
        }
    }
}
