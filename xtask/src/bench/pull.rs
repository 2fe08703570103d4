//! `pull` of a large image into an empty store, and the first `run` of it: corten with images
//! and with trees of files, docker, containerd, podman.

mod bound;
mod debian;
mod engines;

use super::daemon::Daemon;
use super::{Times, print};
use crate::build::{self, succeed};
use anyhow::{Context, Result, ensure};
use engines::Engine;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What to time
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Counted pulls by each engine
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the image is made, and left for the next time
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Address of a registry to use; without it `corten registry serve` is
    #[arg(long, value_name = "ADDRESS")]
    registry: Option<String>,
    /// A dockerd to compare with, as `unix://PATH`; the `docker` command speaks to it
    #[arg(long)]
    docker: Option<String>,
    /// A command that speaks to containerd, such as `ctr -a SOCKET`
    #[arg(long, value_name = "COMMAND")]
    ctr: Option<String>,
    /// A command that is podman
    #[arg(long, value_name = "COMMAND")]
    podman: Option<String>,
}

/// Makes the image, publishes it, and times who pulls and runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    let scratch = options.home.join(format!("scratch-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let outcome = compare(options, &binaries, &scratch);
    fs::remove_dir_all(&scratch)?;
    outcome
}

fn compare(options: &Options, binaries: &Path, scratch: &Path) -> Result<()> {
    let made = debian::image(&options.home, "corten-bench:debian")?;
    let mut registry = match &options.registry {
        Some(_) => None,
        None => Some(Registry::start(binaries, scratch)?),
    };
    let address = options.registry.clone();
    let address = address.unwrap_or_else(|| Registry::ADDRESS.to_owned());
    let mut daemon = Daemon::start_with(binaries, scratch, &["--storage-driver", "erofs"])?;
    let places = scratch.join("files");
    fs::create_dir_all(&places)?;
    let mut files = Daemon::start_with(binaries, &places, &["--storage-driver", "overlay2"])?;
    let reference = format!("{address}/corten-bench/debian:1");
    publish(&daemon, &made.archive, &reference)?;
    let mut all = vec![
        Engine::corten("corten, EROFS", &daemon),
        Engine::corten("corten, file layers", &files),
    ];
    all.extend(engines::peers(options));
    let outcome = time(options, &all, &made, &reference);
    daemon.stop()?;
    files.stop()?;
    if let Some(registry) = &mut registry {
        registry.stop()?;
    }
    outcome
}

/// Puts the image into the registry, and leaves the store empty.
fn publish(daemon: &Daemon, archive: &Path, reference: &str) -> Result<()> {
    let archive = archive.to_str().context("a plain path")?;
    for arguments in [
        &["load", "-qi", archive][..],
        &["tag", "corten-bench:debian", reference],
        &["push", "-q", reference],
        &["rmi", "-f", reference, "corten-bench:debian"],
    ] {
        succeed(daemon.corten(arguments).stdout(Stdio::null()))?;
    }
    Ok(())
}

fn time(options: &Options, all: &[Engine], made: &debian::Made, reference: &str) -> Result<()> {
    let mut bound = Vec::new();
    let mut wall = vec![Vec::new(); all.len()];
    let mut cpu = vec![Vec::new(); all.len()];
    for round in 0..options.runs {
        settle()?;
        bound.push(bound::sequential(&made.layers, &options.home)?);
        for place in 0..all.len() {
            let index = (place + round) % all.len();
            settle()?;
            let (before, start) = (busy()?, Instant::now());
            all[index].pull_and_run(reference)?;
            wall[index].push(start.elapsed());
            cpu[index].push(busy()?.saturating_sub(before));
            all[index].clean(reference)?;
        }
    }
    let sizes = made
        .layers
        .iter()
        .map(|layer| Ok(fs::metadata(layer)?.len()));
    let bytes: u64 = sizes.sum::<Result<u64>>()?;
    let title = format!(
        "pull and first run of {} layers, {} MB compressed, {} files, {} runs",
        made.layers.len(),
        bytes / 1_000_000,
        made.files,
        options.runs
    );
    let table = |mut samples: Vec<Vec<Duration>>, more: Option<Times>| {
        let of = |(engine, samples): (&Engine, Vec<_>)| Times::new(&engine.name, samples);
        let times = all.iter().zip(samples.drain(..)).map(of);
        times.chain(more).collect::<Vec<_>>()
    };
    let name = format!("{}, sha256sum, cp, sync", bound::gunzip());
    print(
        &format!("{title}: wall"),
        &table(wall, Some(Times::new(&name, bound))),
    );
    print(
        &format!("{title}: CPU of the whole machine"),
        &table(cpu, None),
    );
    Ok(())
}

/// Lets what was written before reach the disk, and the kernel forget it: ext4 without a journal
/// passes over inodes that were removed in the last minutes as long as it has their tables in
/// memory, so that what one engine removes would slow the next one down.
fn settle() -> Result<()> {
    succeed(&mut Command::new("sync"))?;
    fs::write("/proc/sys/vm/drop_caches", "3").context("forget what was read")
}

/// CPU time that this machine has spent on anything.
fn busy() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    ensure!(ticks.len() >= 8, "/proc/stat says {line:?}");
    // user, nice, system, irq and softirq; neither idle nor iowait, a hundred a second.
    let busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
    Ok(Duration::from_millis(busy * 10))
}

/// `corten registry serve` over a store of its own.
struct Registry(Child);

impl Registry {
    const ADDRESS: &str = "127.0.0.1:5077";

    fn start(binaries: &Path, scratch: &Path) -> Result<Self> {
        let log = File::create(scratch.join("registry.log"))?;
        let mut serve = Command::new(binaries.join("corten"));
        serve.args(["registry", "serve", "--listen", Self::ADDRESS, "--root"]);
        let child = serve.arg(scratch.join("registry")).stderr(log).spawn()?;
        Ok(Self(child))
    }

    fn stop(&mut self) -> Result<()> {
        succeed(Command::new("kill").arg(self.0.id().to_string()))?;
        ensure!(self.0.wait()?.success(), "the registry did not end well");
        Ok(())
    }
}

impl Drop for Registry {
    /// Of a measurement that broke off nothing stays.
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            drop(self.stop());
        }
    }
}
