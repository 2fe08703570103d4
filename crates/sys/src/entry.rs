//! The start of programs that are started for every command.
//!
//! Before `main` the standard library reads the process's map for its guard of the stack and makes
//! a second stack for signals: a tenth of what a short command takes. A program that begins here
//! has what it needs of the rest.
#![expect(
    unsafe_code,
    reason = "poll and signal over the process's own descriptors"
)]

use std::io::Write as _;
use std::panic::catch_unwind;

/// Makes a function without arguments that gives an exit code the start of the program, which has
/// `#![cfg_attr(not(test), no_main)]`: its tests have a start of their own.
#[macro_export]
macro_rules! main {
    ($main:path) => {
        #[cfg(test)]
        const _: fn() -> u8 = $main;
        /// What the C library calls.
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn main(_count: i32, _words: *const *const u8) -> i32 {
            $crate::entry::run($main)
        }
    };
}

/// Runs a program's `main` with its standard descriptors open and no end by SIGPIPE; a panic
/// gives the code 101.
pub fn run(main: fn() -> u8) -> i32 {
    open_standard();
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let code = catch_unwind(main).unwrap_or(101);
    // What is still buffered; whoever does not read it is not told more.
    drop(std::io::stdout().flush());
    i32::from(code)
}

/// Opens `/dev/null` where the caller has left a standard descriptor closed: what is opened later
/// must not become one.
fn open_standard() {
    let of = |fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    };
    let mut three = [of(0), of(1), of(2)];
    // SAFETY: three entries that outlive the call.
    if unsafe { libc::poll(three.as_mut_ptr(), 3, 0) } <= 0 {
        return;
    }
    for one in three.iter().filter(|one| one.revents & libc::POLLNVAL != 0) {
        // SAFETY: a path that ends with a zero; the lowest number free is the one that was closed.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } != one.fd {
            std::process::abort();
        }
    }
}
