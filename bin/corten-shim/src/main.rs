//! The supervisor of one sandbox.

use std::process::ExitCode;

fn main() -> ExitCode {
    shim::main(std::env::args_os())
}
