//! Scheduling policy, I/O priority, memory policy and personality of this process.
#![expect(unsafe_code, reason = "none of these calls has a safe wrapper")]

use std::io;

/// The first version of `struct sched_attr`, with utilization clamps.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// Filled in by [`set`].
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Nice value, for the ordinary policies.
    pub nice: i32,
    /// Static priority, for the real-time policies.
    pub priority: u32,
    /// Nanoseconds of the deadline policy.
    pub runtime: u64,
    /// Nanoseconds of the deadline policy.
    pub deadline: u64,
    /// Nanoseconds of the deadline policy.
    pub period: u64,
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets the scheduling policy of this thread.
pub fn set(attributes: &Attributes) -> io::Result<()> {
    let attributes = Attributes {
        size: u32::try_from(size_of::<Attributes>()).unwrap_or(0),
        ..*attributes
    };
    // SAFETY: the structure states its own size and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })
}

/// Sets the I/O priority of this process: class 1 to 3, level 0 to 7.
pub fn set_io_priority(class: u16, level: u16) -> io::Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    let value = libc::c_int::from(class) << 13 | libc::c_int::from(level);
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) })
}

/// Sets the memory policy; `nodes` is a bit mask, 64 nodes a word.
pub fn set_memory_policy(mode: libc::c_int, nodes: &[u64]) -> io::Result<()> {
    // The kernel subtracts one from the count of bits; no nodes are no mask at all.
    let (mask, bits) = match nodes {
        [] => (std::ptr::null(), 0),
        nodes => (nodes.as_ptr(), nodes.len() * 64 + 1),
    };
    // SAFETY: the mask is null, or readable for the number of bits given.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) })
}

/// Sets the execution domain: `PER_LINUX` or `PER_LINUX32`.
pub fn set_personality(domain: u32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_personality, libc::c_ulong::from(domain)) })
}
