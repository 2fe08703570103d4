//! What stays outside of the namespaces of a daemon without root.

use std::process::ExitCode;

fn main() -> ExitCode {
    rootless::main(std::env::args_os())
}
