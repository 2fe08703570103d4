//! Executing a program: the vectors made before, the call itself without allocation.
#![expect(unsafe_code, reason = "execve takes vectors of raw pointers")]

use std::ffi::{CStr, CString};
use std::io;
use std::ptr;

/// A null-terminated vector of strings, as execve takes its arguments and environment.
#[derive(Debug)]
pub struct Strings {
    // The pointers are to the strings' heap bytes, which do not move with the vector.
    pointers: Vec<*const libc::c_char>,
    strings: Vec<CString>,
}

impl Strings {
    /// The vector of these strings.
    pub fn new(strings: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(ptr::null());
        Self { pointers, strings }
    }

    /// The vector, for as long as this lives.
    pub(crate) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }

    /// The strings.
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

// SAFETY: the pointers are to immutable bytes that the same value owns.
unsafe impl Send for Strings {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Strings {}

/// How many variables there may be where one is added.
const VARIABLES: usize = 4096;

/// As [`execve`], with one more variable at the environment's end, which must be short.
pub fn execve_with(
    program: &CStr,
    arguments: &Strings,
    environment: &Strings,
    variable: Option<&CStr>,
) -> io::Error {
    let Some(variable) = variable else {
        return execve(program, arguments, environment);
    };
    let mut pointers = [ptr::null(); VARIABLES];
    let all = environment.strings.iter().map(|s| s.as_ptr());
    let count = environment.strings.len() + 1;
    if count >= VARIABLES {
        return io::Error::from_raw_os_error(libc::E2BIG);
    }
    for (place, pointer) in pointers.iter_mut().zip(all.chain([variable.as_ptr()])) {
        *place = pointer;
    }
    // SAFETY: the path is null-terminated; both vectors end with a null pointer, the second as
    // it has more places than were filled, and point to strings that outlive the call.
    unsafe {
        libc::execve(
            program.as_ptr(),
            arguments.pointers.as_ptr(),
            pointers.as_ptr(),
        )
    };
    io::Error::last_os_error()
}

/// Becomes `program`; returns only the reason why not.
pub fn execve(program: &CStr, arguments: &Strings, environment: &Strings) -> io::Error {
    // SAFETY: the path is null-terminated; both vectors end with a null pointer and point to
    // null-terminated strings that live at least as long as `arguments` and `environment`.
    unsafe {
        libc::execve(
            program.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    io::Error::last_os_error()
}
