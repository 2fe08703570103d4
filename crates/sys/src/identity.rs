//! Who a process is for as long as the machine is up: its number alone is used again.

use std::fs;
use std::io;

/// When the process `pid` was started, in clock ticks after boot.
pub fn start_time(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets, with any characters in it.
    let after = stat.rsplit_once(") ").map(|(_, after)| after);
    let start_time = after.and_then(|after| after.split(' ').nth(19)?.parse().ok());
    start_time.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether the process `pid` still runs: one that ended and waits to be reaped does not.
pub fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, after)| after.chars().next());
    !matches!(state, None | Some('Z' | 'X' | 'x'))
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
        let first = start_time(own).unwrap();
        assert_eq!(first, start_time(own).unwrap());
        assert!(first > 0);
    }
}
