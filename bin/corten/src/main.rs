//! The command for people, the daemon, and the registry.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let word = args.nth(1);
    // These have command lines of their own, under both words as their name.
    let named = |name: &str| std::iter::once(name.into());
    match word.as_ref().and_then(|word| word.to_str()) {
        Some("daemon") => daemon::main(named("corten daemon").chain(args)),
        Some("registry") => api_registry::main(named("corten registry").chain(args)),
        _ => cli::main(std::env::args_os()),
    }
}
