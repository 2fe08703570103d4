//! Tests that cannot run say so.

use std::io::Write;
use std::path::Path;

/// Records that a test did not run, and why, for `cargo xtask test` to list and count.
pub fn skipped(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    let Some(log) = std::env::var_os("CORTEN_SKIP_LOG") else {
        return;
    };
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log);
    let mut log = log.expect("the list of skipped tests opens");
    writeln!(log, "{test}: {why}").expect("the list of skipped tests is written");
}

/// Whether a program that a test needs is missing; the test is then recorded as skipped.
pub fn missing(test: &str, program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| {
        let file: &Path = &directory.join(program);
        file.is_file()
    });
    if !found {
        skipped(test, &format!("{program} is not installed"));
    }
    !found
}
