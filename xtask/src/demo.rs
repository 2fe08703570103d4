//! The README's first command.

use crate::build;
use anyhow::Result;
use std::process::Command;

/// Builds corten, runs a container of the image that comes with it, in places of its own.
pub(crate) fn run() -> Result<()> {
    let corten = build::release()?.join("corten");
    println!("\n$ corten run --rm --memory 64m --pids-limit 64 corten/hello\n");
    build::succeed(Command::new(&corten).args([
        "run",
        "--rm",
        "--memory",
        "64m",
        "--pids-limit",
        "64",
        "corten/hello",
    ]))?;
    println!(
        "\nThat was a container. Next: {} run --help",
        corten.display()
    );
    Ok(())
}
