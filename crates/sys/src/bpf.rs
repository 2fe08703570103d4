//! `bpf(2)`: device filters of cgroup v2.
#![expect(unsafe_code, reason = "rustix has no bpf(2)")]

use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
/// The programs of groups above stay in force.
const BPF_F_ALLOW_MULTI: u32 = 2;
/// The program uses no helper, so its licence gates nothing.
const LICENSE: &CStr = c"Apache-2.0";

/// One instruction of extended BPF, `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const JUMP_EQUAL: u8 = 0x15;

impl Instruction {
    const fn new(code: u8, target: u8, source: u8, offset: i16, immediate: i32) -> Self {
        Self {
            code,
            registers: target | (source << 4),
            offset,
            immediate,
        }
    }

    /// `target = *(u32 *)(source + offset)`
    pub const fn load(target: u8, source: u8, offset: i16) -> Self {
        Self::new(0x61, target, source, offset, 0)
    }

    /// `target = source`, 32 bits.
    pub const fn copy(target: u8, source: u8) -> Self {
        Self::new(0xbc, target, source, 0, 0)
    }

    /// `target = value`, 32 bits.
    pub const fn set(target: u8, value: i32) -> Self {
        Self::new(0xb4, target, 0, 0, value)
    }

    /// `target &= mask`, 32 bits.
    pub const fn and(target: u8, mask: i32) -> Self {
        Self::new(0x54, target, 0, 0, mask)
    }

    /// `target ^= value`, 32 bits.
    pub const fn xor(target: u8, value: i32) -> Self {
        Self::new(0xa4, target, 0, 0, value)
    }

    /// `target |= source`, 32 bits.
    pub const fn or(target: u8, source: u8) -> Self {
        Self::new(0x4c, target, source, 0, 0)
    }

    /// Jumps if the register has the value: all 64 bits, of which that gives the low 32 and their
    /// sign.
    pub const fn if_equal(register: u8, value: i32) -> Self {
        Self::new(JUMP_EQUAL, register, 0, 0, value)
    }

    /// Ends with register 0 as the answer.
    pub const fn exit() -> Self {
        Self::new(0x95, 0, 0, 0, 0)
    }

    /// Says how many instructions a jump skips; nothing to others.
    pub const fn aim(&mut self, offset: i16) {
        if self.code == JUMP_EQUAL {
            self.offset = offset;
        }
    }
}

/// The members of `union bpf_attr` that loading uses, up to those of Linux 4.15.
#[repr(C)]
struct LoadAttr {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The members of `union bpf_attr` that attaching uses.
#[repr(C)]
struct AttachAttr {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// Loads a device filter. Linux 4.15.
pub fn load_cgroup_device(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    let attr = LoadAttr {
        program_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    let fd = call(BPF_PROG_LOAD, &attr)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a device filter to a cgroup v2 directory.
pub fn attach_cgroup_device(program: impl AsFd, group: impl AsFd) -> Result<(), Errno> {
    let attr = AttachAttr {
        target: group.as_fd().as_raw_fd().cast_unsigned(),
        program: program.as_fd().as_raw_fd().cast_unsigned(),
        attach_type: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    call(BPF_PROG_ATTACH, &attr).map(drop)
}

fn call<T>(command: libc::c_long, attr: &T) -> Result<i32, Errno> {
    let size = size_of::<T>();
    // SAFETY: `attr` is initialised, outlives the call and is passed with its own size; the
    // pointers in it lead to slices that the caller borrows for as long.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attr, size) };
    match i32::try_from(answer) {
        Ok(fd @ 0..) => Ok(fd),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
