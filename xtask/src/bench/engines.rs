//! `run --rm` of a trivial container: corten, docker, podman.

use super::daemon::{Daemon, busybox};
use super::{Contestant, installed, interleave, of, print};
use crate::build;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// What to time
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Counted runs of each engine
    #[arg(long, default_value_t = 40)]
    runs: usize,
    /// Milliseconds of idleness before each run
    #[arg(long, default_value_t = 0)]
    idle_ms: u64,
    /// A dockerd to compare with, as `unix://PATH`; the `docker` command speaks to it
    #[arg(long)]
    docker: Option<String>,
}

pub(crate) const IMAGE: &str = "corten-bench:busybox";
/// The same demands on every engine; cgroups, seccomp, capabilities and logs are each one's defaults.
pub(crate) const RUN: &[&str] = &[
    "run",
    "--rm",
    "--network",
    "none",
    "--memory",
    "64m",
    "--pids-limit",
    "64",
    IMAGE,
    "/bin/true",
];

/// Imports one busybox image into every engine that is there, and times them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    super::at_home(|home| compare(options, &binaries, home))
}

fn compare(options: &Options, binaries: &Path, home: &Path) -> Result<()> {
    let archive = home.join("busybox.tar");
    busybox(home, &archive)?;
    let mut daemon = Daemon::start(binaries, home)?;
    let mut engines = vec![vec![
        binaries.join("corten").display().to_string(),
        "-H".into(),
        daemon.socket.clone(),
    ]];
    match &options.docker {
        Some(socket) => engines.push(vec!["docker".into(), "-H".into(), socket.clone()]),
        None => println!("absent: docker (no --docker unix://SOCKET)"),
    }
    if installed("podman") {
        engines.push(vec!["podman".into()]);
    } else {
        println!("absent: podman (not on the search path)");
    }
    let outcome = time(options, &engines, &archive);
    daemon.stop()?;
    outcome
}

fn time(options: &Options, engines: &[Vec<String>], archive: &Path) -> Result<()> {
    for engine in engines {
        build::succeed(
            of(engine, &["import"])
                .arg(archive)
                .arg(IMAGE)
                .stdout(Stdio::null()),
        )?;
    }
    let contestants: Vec<_> = engines
        .iter()
        .cloned()
        .map(|engine| Contestant {
            name: engine[0].rsplit('/').next().unwrap_or_default().to_owned(),
            command: Box::new(move |_| of(&engine, RUN)),
        })
        .collect();
    let times = interleave(
        &contestants,
        options.runs,
        Duration::from_millis(options.idle_ms),
    )?;
    print(
        &format!(
            "`{}`, {} ms idle before each, {} runs",
            RUN.join(" "),
            options.idle_ms,
            options.runs
        ),
        &times,
    );
    for engine in engines {
        build::succeed(of(engine, &["rmi", IMAGE]).stdout(Stdio::null()))?;
    }
    Ok(())
}
