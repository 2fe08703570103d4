//! Who a process is for as long as the machine is up: its number alone is used again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr;

/// When the process `pid` was started, in clock ticks after boot.
pub fn start_time(pid: i32) -> io::Result<u64> {
    field(&stat(pid)?, 19).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The parent of the process `pid`; 0 if that is in another pid namespace.
pub fn parent(pid: i32) -> io::Result<i32> {
    field(&stat(pid)?, 1).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn stat(pid: i32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/stat"))
}

/// A field of `stat` by its place after the program's name, which is in brackets, with any
/// characters in it: 0 is the state.
fn field<T: FromStr>(stat: &str, place: usize) -> Option<T> {
    let (_, after) = stat.rsplit_once(") ")?;
    after.split(' ').nth(place)?.parse().ok()
}

/// Whether the process `pid` still runs: one that ended and waits to be reaped does not.
pub fn runs(pid: i32) -> bool {
    let state: Option<char> = stat(pid).ok().and_then(|stat| field(&stat, 0));
    !matches!(state, None | Some('Z' | 'X' | 'x'))
}

/// Whether a path leads the process `pid` where it leads us, or neither anywhere: in a mount
/// namespace of its own it can mean something else by the same name. True if that cannot be told.
pub fn shares(pid: i32, path: &Path) -> bool {
    let seen = |path: &Path| match fs::metadata(path) {
        Ok(file) => Ok(Some((file.dev(), file.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let below = path.strip_prefix("/").unwrap_or(path);
    let theirs = seen(&Path::new(&format!("/proc/{pid}/root")).join(below));
    match (seen(path), theirs) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        _ => true,
    }
}

/// This boot's name.
pub fn boot_id() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_to_be_reaped_does_not_run() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = std::time::Instant::now();
        while runs(pid) {
            assert!(start.elapsed() < std::time::Duration::from_secs(10));
        }
        assert!(start_time(pid).is_ok(), "it was reaped");
        child.wait().unwrap();
        assert!(!runs(pid));
    }

    #[test]
    fn a_process_is_identified_by_its_start() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(
            parent(own).unwrap().cast_unsigned(),
            std::os::unix::process::parent_id()
        );
        let first = start_time(own).unwrap();
        assert_eq!(first, start_time(own).unwrap());
        assert!(first > 0);
    }
}
