//! The command for people, and the daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    // The daemon has a command line of its own, under the second word as its name.
    if args.nth(1).is_some_and(|word| word == "daemon") {
        let name = std::iter::once("corten daemon".into());
        return daemon::main(name.chain(args));
    }
    cli::main(std::env::args_os())
}
