//! Device numbers.

/// The number of the device `major:minor`, as `mknod` and `stat` have it.
pub fn number(major: u32, minor: u32) -> u64 {
    rustix::fs::makedev(major, minor)
}
