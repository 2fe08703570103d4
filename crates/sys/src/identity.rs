//! Who a process is for as long as the machine is up: its number alone is used again.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

/// What the kernel tells of a process in one reading.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// The parent; 0 if that is in another pid namespace.
    pub parent: i32,
    /// When it was started, in clock ticks after boot.
    pub start_time: u64,
    /// Whether it still runs: one that ended and waits to be reaped does not.
    pub runs: bool,
}

impl Process {
    /// Looks at the process `pid`.
    ///
    /// # Errors
    /// If there is none, or the kernel tells of it in words that are not known.
    pub fn read(pid: i32) -> io::Result<Self> {
        // The kernel gives all of it at once, some 300 bytes.
        let mut stat = [0; 1024];
        let length = File::open(format!("/proc/{pid}/stat"))?.read(&mut stat)?;
        let stat = String::from_utf8_lossy(stat.get(..length).unwrap_or_default());
        Self::parse(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The fields after the program's name, which is in brackets, with any characters in it.
    fn parse(stat: &str) -> Option<Self> {
        let (_, after) = stat.rsplit_once(") ")?;
        let mut fields = after.split(' ');
        Some(Self {
            runs: !matches!(fields.next()?, "Z" | "X" | "x"),
            parent: fields.next()?.parse().ok()?,
            start_time: fields.nth(17)?.parse().ok()?,
        })
    }
}

/// When the process `pid` was started, in clock ticks after boot.
pub fn start_time(pid: i32) -> io::Result<u64> {
    Process::read(pid).map(|process| process.start_time)
}

/// The parent of the process `pid`; 0 if that is in another pid namespace.
pub fn parent(pid: i32) -> io::Result<i32> {
    Process::read(pid).map(|process| process.parent)
}

/// Whether the process `pid` still runs: one that ended and waits to be reaped does not.
pub fn runs(pid: i32) -> bool {
    Process::read(pid).is_ok_and(|process| process.runs)
}

/// Whether the process `pid` that was started then still runs.
pub fn lives(pid: i32, start_time: u64) -> bool {
    Process::read(pid).is_ok_and(|process| process.runs && process.start_time == start_time)
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
pub fn boot_id() -> io::Result<&'static str> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(known) = BOOT.get() {
        return Ok(known);
    }
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT.get_or_init(|| text.trim_end().to_owned()))
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
        assert!(lives(own, first));
        assert!(!lives(own, first - 1));
    }

    #[test]
    fn a_name_with_brackets_is_told_from_the_fields_after_it() {
        let stat = "7 (a) Z 1 (b)) S 3 7 7 0 -1 4194560 86 0 0 0 0 0 0 0 20 0 1 0 2872765 4141056";
        let process = Process::parse(stat).unwrap();
        assert_eq!((process.parent, process.start_time), (3, 2_872_765));
        assert!(process.runs);
        assert!(Process::parse("7 (a)").is_none());
    }
}
