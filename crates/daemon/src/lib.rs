//! The daemon: configuration, locks, sockets, wiring and shutdown.
//!
//! It knows every service and who gets what ([`wiring`]), and nothing of what they do. Read
//! first: [`main`], `wiring.rs`, `run.rs`.

mod activation;
mod defaults;
mod file;
mod fixed;
mod flags;
mod foreign;
mod group;
mod host;
mod idle;
mod listen;
mod lock;
mod logging;
mod machine;
mod networks;
mod notify;
mod process;
mod ready;
pub mod records;
mod registries;
mod reload;
mod rootless;
mod run;
mod settings;
mod tls;
mod users;
mod wiring;

use clap::Parser as _;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the daemon; `args` are those of the program, its name first.
///
/// It returns when the daemon was told to stop, or had nothing to do for long enough.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match fixed::strip(args) {
        Ok(args) => args,
        Err(error) => {
            logging::complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let flags = match flags::Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(error) => {
            // Help and version are no failures; a standard stream that is closed is not either.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match start(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn start(flags: &flags::Flags) -> anyhow::Result<()> {
    let mut settings = settings::Settings::load(flags)?;
    if flags.validate {
        logging::say("configuration OK");
        return Ok(());
    }
    if rustix::process::geteuid().is_root() {
        return run::run(flags, settings);
    }
    // Afterwards we are root, and would be taken for the host's.
    let flags = flags::Flags {
        root: Some(settings.paths.root.clone()),
        run: Some(settings.paths.run.clone()),
        config_file: flags
            .config_file
            .clone()
            .or_else(|| rootless::file(&settings)),
        ..flags.clone()
    };
    settings.outside = Some(rootless::enter(&settings)?);
    run::run(&flags, settings)
}
