//! `corten registry serve`.

use crate::{Depot, Server};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Run a registry of images
#[derive(Debug, Parser)]
#[command(name = "corten registry", version, disable_help_subcommand = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve images to whoever can connect, in the clear
    Serve {
        /// Address to listen at
        #[arg(long, default_value = "127.0.0.1:5000", value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Directory of blobs and names
        #[arg(long, default_value = "/var/lib/corten-registry", value_name = "DIR")]
        root: PathBuf,
    },
}

/// Runs the registry; `args` are those of the program, its name first. It returns when it was
/// told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(args) {
        Ok(command) => command,
        Err(error) => {
            // Help and version are no failures; a standard stream that is closed is not either.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let Verb::Serve { listen, root } = command.verb;
    match serve(listen, &root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn serve(
    listen: SocketAddr,
    root: &std::path::Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let depot = Depot::open(root)?;
    runtime.block_on(async {
        let bound = Server::bind(listen, depot).await;
        let server = bound.map_err(|error| format!("cannot listen at {listen}: {error}"))?;
        say(&format!("listening at {}", server.address()?));
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        Ok(server.serve(stop).await?)
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        words = format!("{words}: {cause}");
        at = cause.source();
    }
    words
}

fn say(line: &str) {
    // There is nobody to tell if standard error is closed.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
