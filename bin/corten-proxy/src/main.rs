//! Name servers of sandboxes, and the host's published ports.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxy::main(std::env::args_os())
}
