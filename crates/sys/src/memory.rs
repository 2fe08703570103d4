//! Memory that a long-lived small process gives back while it is idle.
#![expect(
    unsafe_code,
    reason = "rustix's mmap is unsafe, malloc_trim and mallopt are glibc's, the program's bounds are the linker's"
)]

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::io;
use std::ptr::{self, NonNull};
use std::slice;

/// A buffer of its own pages, zero at first, which cost nothing before they are written.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

impl Pages {
    /// `length` bytes.
    pub fn new(length: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a private anonymous mapping at an address of the kernel's choice touches no
        // other memory.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    /// The bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping has this length, is readable, writable and initialised by the
        // kernel, lives as long as `self`, and is borrowed mutably with it.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// Gives the pages back; the bytes are zero afterwards.
    pub fn release(&mut self) -> io::Result<()> {
        let start = self.start.as_ptr().cast();
        // SAFETY: the range is exactly our own private mapping, which nobody else borrows.
        let given = unsafe { madvise(start, self.length, Advice::LinuxDontNeed) };
        Ok(given?)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is exactly our own mapping, and nothing uses it after this.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}

/// How much of the stack below this call stays: the frames of the call that gives back.
const STACK_KEPT: usize = 2 << 10;
/// How far below that the stack may have been used. The kernel keeps a gap of at least this
/// below every stack.
const STACK_USED: usize = 512 << 10;

/// Gives back the pages of the stack below the caller's frame, which deeper calls have used.
pub fn trim_stack() {
    let here = 0_u8;
    let page = rustix::param::page_size();
    let top = ((&raw const here).addr() - STACK_KEPT) & !(page - 1);
    let bottom = ptr::with_exposed_provenance_mut(top - STACK_USED);
    // SAFETY: nothing lives below the stack pointer; below the stack's mapping there is the gap
    // in which nothing is mapped.
    let given = unsafe { madvise(bottom, STACK_USED, Advice::LinuxDontNeed) };
    // The part of the range that is in the gap is reported after the rest was given back.
    debug_assert!(matches!(given, Ok(()) | Err(rustix::io::Errno::NOMEM)));
}

/// Gives back the pages of the program's own code and constants. Those that are used again come
/// back from the page cache one by one, which is less than what the set-up has touched.
pub fn release_code() -> io::Result<()> {
    const PAGE: usize = 4096;
    unsafe extern "C" {
        /// Where the program begins, by the linker.
        static __executable_start: u8;
        /// Where its code ends.
        static etext: u8;
    }
    let start = (&raw const __executable_start)
        .addr()
        .next_multiple_of(PAGE);
    let end = (&raw const etext).addr() / PAGE * PAGE;
    let first = ptr::with_exposed_provenance_mut(start);
    // SAFETY: up to its end the code is mapped from the file, privately and read-only: nothing
    // there can have been changed, so that every page reads the same when it comes back.
    let given = unsafe { madvise(first, end.saturating_sub(start), Advice::LinuxDontNeed) };
    Ok(given?)
}

/// Lets all threads have one heap. A heap of a thread's own grows by a page or two at a time, each
/// time by a system call, and keeps what it had at most.
pub fn share_heap() {
    // SAFETY: no obligations; it sets a number of glibc's.
    let set = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    debug_assert_eq!(set, 1, "glibc knows the parameter");
}

/// Keeps the heap's free pages until [`trim_heap`]: without a word it shrinks in between.
pub fn keep_heap() {
    // SAFETY: no obligations; it sets a number of glibc's.
    let set = unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX) };
    debug_assert_eq!(set, 1, "glibc knows the parameter");
}

/// Gives back the heap's free pages.
pub fn trim_heap() {
    // SAFETY: no obligations; it takes glibc's own locks.
    unsafe { libc::malloc_trim(0) };
}
