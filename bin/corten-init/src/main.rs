//! PID 1 of a container that asks for one: runs a program, forwards signals, reaps orphans.
//!
//! `corten-init [--] PROGRAM [ARGUMENT...]` ends as the program ends: with its exit code, or
//! 128 and the signal's number. 127 if the program is not found, 126 if it cannot be executed.
#![expect(
    clippy::print_stderr,
    reason = "the container's own stderr is all it has"
)]

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    let Some((program, rest)) = arguments.split_first() else {
        eprintln!("corten-init: no program given");
        return ExitCode::from(127);
    };
    // Before the program starts: PID 1 loses a signal that it neither handles nor blocks.
    if let Err(error) = sys::signal::block_all() {
        eprintln!("corten-init: cannot block signals: {error}");
        return ExitCode::FAILURE;
    }
    // A group of its own, so that a terminal's foreground can be given to it.
    let mut command = Command::new(program);
    command.args(rest).process_group(0);
    let child = match sys::signal::reset_in(&mut command).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("corten-init: cannot execute {}: {error}", program.display());
            return ExitCode::from(if error.kind() == io::ErrorKind::NotFound {
                127
            } else {
                126
            });
        }
    };
    let child = Pid::from_child(&child);
    match supervise(child) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!(
                "corten-init: cannot wait for {}: {error}",
                program.display()
            );
            ExitCode::FAILURE
        }
    }
}

/// Forwards signals to the child's group and reaps whoever ends, until the child does.
fn supervise(child: Pid) -> io::Result<u8> {
    foreground(child);
    loop {
        let number = sys::signal::next()?;
        let Some(signal) = Signal::from_named_raw(number) else {
            continue;
        };
        if signal == Signal::CHILD {
            if let Some(code) = reap(child)? {
                return Ok(code);
            }
        } else if ![Signal::TTIN, Signal::TTOU].contains(&signal) {
            // The group may be gone, its end not yet reaped.
            kill_process_group(child, signal).ok();
        }
    }
}

/// Gives the terminal, if there is one, to the child's group.
fn foreground(child: Pid) {
    rustix::termios::tcsetpgrp(rustix::stdio::stdin(), child).ok();
}

/// Reaps everyone who has ended; the child's code if it is among them.
fn reap(child: Pid) -> io::Result<Option<u8>> {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => {
                let ended = status
                    .exit_status()
                    .or(status.terminating_signal().map(|signal| 128 + signal));
                code = ended.and_then(|number| u8::try_from(number).ok()).or(code);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(code),
            Err(error) => return Err(error.into()),
        }
    }
}
