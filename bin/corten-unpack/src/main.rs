//! The worker that parses what came from outside.

use std::process::ExitCode;

fn main() -> ExitCode {
    unpack::worker::main(std::env::args())
}
