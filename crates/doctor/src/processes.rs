//! Shims that no run directory names, a proxy and a keeper of namespaces that nothing needs.

use crate::{Case, Findings, Leak, What};
use std::fs;
use std::time::{Duration, Instant};

/// How long a shim may take to leave.
const LEAVING: Duration = Duration::from_secs(2);

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
        let is = |program: &str| {
            let name = words.first().and_then(|name| name.rsplit('/').next());
            name == Some(program)
        };
        let is_shim = is("corten-shim");
        let named = |word: &String| *word == run || word.starts_with(&format!("{run}/"));
        let is_ours =
            words.iter().any(named) && sys::identity::shares(pid.cast_signed(), &case.paths.run);
        let outlives = is_ours && case.shims.is_empty() && !daemon_answers(case);
        if is("corten-proxy") && outlives {
            let why = "a proxy without a container or a daemon";
            findings.leak(Leak::new(What::Process, pid, why));
        }
        if is("corten-rootless") && outlives && !ends(pid) {
            let why = "a keeper of namespaces without a container or a daemon";
            findings.leak(Leak::new(What::Process, pid, why));
        }
        let ahead = case.ahead.values().any(|shim| *shim == pid);
        if !is_shim || !is_ours || case.shims.contains(&pid) && !ahead {
            continue;
        }
        if ahead && is_owned(pid) || ends(pid) {
            continue;
        }
        let why = match ahead {
            true => "a shim that was made ahead, without a daemon",
            false => "a shim that no run directory names",
        };
        findings.leak(Leak::new(What::Process, pid, why));
    }
}

/// Whether the parent is a daemon, for whose next container it waits.
fn is_owned(pid: u32) -> bool {
    let Ok(parent) = sys::identity::parent(pid.cast_signed()) else {
        return false;
    };
    let line = fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    let program = line.split(|b| *b == 0).next().unwrap_or_default();
    program.ends_with(b"corten-daemon")
}

/// Whether a process ends within [`LEAVING`]: a shim does that has removed its run directory, one
/// made ahead whose daemon has ended, and a keeper of namespaces in which nobody is.
fn ends(pid: u32) -> bool {
    let start = Instant::now();
    while start.elapsed() < LEAVING {
        let line = fs::read(format!("/proc/{pid}/cmdline"));
        if line.map_or(true, |line| line.is_empty()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn daemon_answers(case: &Case<'_>) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let connected = std::os::unix::net::UnixStream::connect(&case.paths.socket);
    !connected.is_err_and(|error| matches!(error.kind(), NotFound | ConnectionRefused))
}
