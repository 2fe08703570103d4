//! The commands of corten, as people know them from docker.
//!
//! It knows arguments, tables, terminals, texts and exit codes, and how to start a daemon when
//! there is none. It must not know anything of images or containers that the API does not say:
//! every command works against dockerd too.
//! Read first: `commands` (the list), `cmd/run` (the command that matters), `failure` (how
//! errors look).

mod cmd;
mod command;
mod commands;
mod context;
mod detach_keys;
mod failure;
mod help;
mod options;
mod output;
mod platform;
mod session;
mod signals;
mod start;
mod stdio;
mod table;
mod template;
mod terminal;
mod units;
mod usage;

use std::ffi::OsString;

/// Runs one command: `args` are the process's arguments, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let ran = start::instead(args.get(1..).unwrap_or_default()).and_then(|()| commands::run(args));
    ran.unwrap_or_else(|failure| failure.report())
}
