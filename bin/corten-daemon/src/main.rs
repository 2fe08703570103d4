//! The daemon, the registry and artifacts: what `corten daemon`, `corten registry` and
//! `corten artifact` execute.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    // Each has a command line of its own, under the words that people type as its name.
    let named = |name: &str| std::iter::once(name.into());
    match args.next_if(|word| word == "registry" || word == "artifact") {
        Some(word) if word == "artifact" => artifact::main(named("corten artifact").chain(args)),
        Some(_) => api_registry::main(named("corten registry").chain(args)),
        None => daemon::main(named("corten daemon").chain(args)),
    }
}
