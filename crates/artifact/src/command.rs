//! `corten artifact`.

use crate::inspect::Inspect;
use crate::pull::Pull;
use crate::push::Push;
use crate::referrers::Referrers;
use crate::removal::Rm;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Files in a registry that are no image
#[derive(Debug, Parser)]
#[command(name = "corten artifact", version, disable_help_subcommand = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Push(Push),
    Pull(Pull),
    Referrers(Referrers),
    Inspect(Inspect),
    Rm(Rm),
}

/// Runs one command; `args` are those of the program, its name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(args) {
        Ok(command) => command,
        Err(error) => {
            // Help and version are no failures; a standard stream that is closed is not either.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match run(command.verb).and_then(|text| say(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("error: {error}\n");
            for cause in error.chain().skip(1) {
                text.push_str(&format!("caused by: {cause}\n"));
            }
            // There is nobody to tell if standard error is closed.
            drop(io::stderr().lock().write_all(text.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

/// What is to be said on standard output.
fn run(verb: Verb) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match verb {
            Verb::Push(push) => push.run().await,
            Verb::Pull(pull) => pull.run().await,
            Verb::Referrers(referrers) => referrers.run().await,
            Verb::Inspect(inspect) => inspect.run().await,
            Verb::Rm(rm) => rm.run().await,
        }
    })
}

fn say(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads no further has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
