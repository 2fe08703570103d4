//! Finding the functions that starts go through, for the linker to put side by side.
//!
//! A page of an executable that is touched brings its neighbours, 64 kB, and each page is paid for
//! when it is mapped and again when the process ends. Code that is spread over all of an
//! executable makes a process map most of it to run a tenth. So the executables that are started
//! often are run here one instruction at a time, and what they went through is written to
//! `bin/NAME/hot.ld`, which releases are linked with.

mod functions;
mod script;
mod trace;

use crate::bench::daemon::{Daemon, busybox};
use crate::bench::engines::{IMAGE, RUN};
use crate::bench::{at_home, output, runtimes};
use crate::build;
use anyhow::{Context, Result};
use functions::Functions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use trace::Traced;

/// What to run
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

/// Runs each, and writes down what it went through.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    at_home(|home| {
        let archive = home.join("busybox.tar");
        busybox(home, &archive)?;
        let daemon = Daemon::start(&binaries, home)?;
        let import = ["import", archive.to_str().context("a plain path")?, IMAGE];
        build::succeed(daemon.corten(&import).stdout(Stdio::null()))?;
        command(&binaries, &daemon)?;
        // A shim that was made ahead already is not traced.
        let shims = |daemon: &Daemon| {
            (0..3)
                .try_for_each(|_| ends(daemon))
                .and_then(|()| stays(daemon))
        };
        below(&binaries, daemon, "corten-shim", shims)?;
        let daemon = Daemon::start(&binaries, home)?;
        ends(&daemon)?;
        let twice = |daemon: &Daemon| ends(daemon).and_then(|()| ends(daemon));
        below(&binaries, daemon, "corten-daemon", twice)?;
        runtime(&binaries, home)
    })
}

/// A container that ends at once.
fn ends(daemon: &Daemon) -> Result<()> {
    build::succeed(daemon.corten(RUN).stdout(Stdio::null()))
}

fn command(binaries: &Path, daemon: &Daemon) -> Result<()> {
    // The first finds nothing made ahead.
    ends(daemon)?;
    let name = "corten";
    let functions = Functions::of(&binaries.join(name))?;
    let visited = trace::command(&daemon.corten(RUN), functions.code())?;
    script::write(name, &functions.visited(&visited))
}

/// A daemon that serves already, or what it starts, while something is asked of it.
fn below(
    binaries: &Path,
    daemon: Daemon,
    name: &str,
    ask: impl FnOnce(&Daemon) -> Result<()>,
) -> Result<()> {
    let functions = Functions::of(&binaries.join(name))?;
    let traced = Traced::below(daemon.pid(), name, functions.code())?;
    let asked = ask(&daemon);
    build::succeed(Command::new("kill").arg(daemon.pid().to_string()))?;
    let visited = traced.end()?;
    asked?;
    script::write(name, &functions.visited(&visited))
}

/// A container that stays for a while, and a process that is executed in it.
fn stays(daemon: &Daemon) -> Result<()> {
    let id = output(daemon.corten(&["run", "-d", "--network", "none", IMAGE, "sleep", "600"]))?;
    let id = id.trim();
    build::succeed(&mut daemon.corten(&["exec", id, "true"]))?;
    build::succeed(daemon.corten(&["rm", "-f", id]).stdout(Stdio::null()))
}

/// A container's life in one command, and the list of none.
fn runtime(binaries: &Path, home: &Path) -> Result<()> {
    let name = "corten-runtime";
    let functions = Functions::of(&binaries.join(name))?;
    runtimes::bundle(&binaries.join(name), home)?;
    let bundle = home.to_str().context("a plain path")?;
    let mut visited = Vec::new();
    for words in [&["run", "--bundle", bundle, "one"] as &[&str], &["list"]] {
        let mut command = Command::new(binaries.join(name));
        command.arg("--root").arg(home.join("state")).args(words);
        visited.extend(trace::command(&command, functions.code())?);
    }
    script::write(name, &functions.visited(&visited))
}
