//! The daemon, the registry and artifacts: what `corten daemon`, `corten registry` and
//! `corten artifact` execute; and what is on record, which `corten system doctor` asks for while
//! no daemon runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    // Each has a command line of its own, under the words that people type as its name.
    let named = |name: &str| std::iter::once(name.into());
    match args.peek().and_then(|word| word.to_str()) {
        Some("artifact") => artifact::main(named("corten artifact").chain(args.skip(1))),
        Some("registry") => api_registry::main(named("corten registry").chain(args.skip(1))),
        Some("records") => daemon::records::main(args.skip(1)),
        _ => daemon::main(named("corten daemon").chain(args)),
    }
}
