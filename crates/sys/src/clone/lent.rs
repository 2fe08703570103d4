//! A child that has its parent's memory until it executes a program.

#[cfg(target_arch = "x86_64")]
pub(super) use self::x86_64::{clone, spawn};

/// Other machines copy.
#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::copied as spawn;

/// Other machines do not share.
///
/// # Safety
///
/// Nothing is asked of who calls it.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn clone(
    _: &libc::clone_args,
    _: extern "C" fn(*mut std::ffi::c_void) -> !,
    _: *mut std::ffi::c_void,
) -> std::io::Result<i32> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use crate::clone::restore;
    use rustix::process::dumpable_behavior;
    use std::arch::asm;
    use std::ffi::c_void;
    use std::io;
    use std::ptr;

    /// Makes the child, and returns once it has executed a program or ended.
    pub(in crate::clone) fn spawn<F>(args: &libc::clone_args, child: F) -> io::Result<i32>
    where
        F: FnOnce() -> u8,
    {
        let mut args = *args;
        args.flags |= (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
        let dumpable = dumpable_behavior()?;
        let mut child = Some(child);
        // SAFETY: `run` takes its argument for an `Option<F>`, which it is; both outlive the
        // child's use of this memory, at whose end the call returns.
        let pid = unsafe { clone(&args, run::<F>, (&raw mut child).cast()) };
        restore(dumpable);
        pid
    }

    /// The child.
    extern "C" fn run<F: FnOnce() -> u8>(child: *mut c_void) -> ! {
        // SAFETY: `spawn` passes this type, and waits while we use it.
        let child = unsafe { &mut *child.cast::<Option<F>>() };
        match child.take() {
            Some(child) => super::super::end_after(child),
            None => super::super::exit(255),
        }
    }

    /// clone3, whose child calls `entry` with `data` and does not come back. Without a stack of its
    /// own it uses the one below the caller's frame, which has nothing there while it waits.
    ///
    /// # Safety
    ///
    /// `args` share memory and name a stack, or have the caller wait; `entry` may be called with
    /// `data`.
    pub(in crate::clone) unsafe fn clone(
        args: &libc::clone_args,
        entry: extern "C" fn(*mut c_void) -> !,
        data: *mut c_void,
    ) -> io::Result<i32> {
        let mut result = libc::SYS_clone3;
        // SAFETY: the kernel reads `args`. The parent goes on at the label with its registers as
        // they were but for those named; the child never does. As the stack may be used here, no
        // red zone is below it, and it is aligned for a call.
        unsafe {
            asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "mov rdi, r12",
                "call r13",
                "ud2",
                "2:",
                inout("rax") result,
                in("rdi") ptr::from_ref(args),
                in("rsi") size_of::<libc::clone_args>(),
                in("r12") data,
                in("r13") entry,
                out("rcx") _,
                out("r11") _,
            );
        }
        match i32::try_from(result) {
            Ok(pid) if pid > 0 => Ok(pid),
            Ok(error) => Err(io::Error::from_raw_os_error(-error)),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
