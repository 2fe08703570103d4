//! `run --rm` by the size of the image: few bytes and many, one layer and sixty.

use super::daemon::{Daemon, busybox};
use super::layout::Layout;
use super::{Contestant, interleave, print};
use crate::build;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{Read, copy};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// What to time
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Counted runs of each image
    #[arg(long, default_value_t = 40)]
    runs: usize,
    /// Megabytes of the large image
    #[arg(long, default_value_t = 2000)]
    megabytes: u64,
    /// Layers of the tall image
    #[arg(long, default_value_t = 60)]
    layers: usize,
    /// Where the images are made, and removed at the end
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
}

const SMALL: &str = "corten-bench:small";
const LARGE: &str = "corten-bench:large";
const TALL: &str = "corten-bench:tall";

/// Makes the images, and times a container of each in turn.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    let home = options
        .home
        .join(format!("corten-bench-{}", std::process::id()));
    fs::create_dir_all(&home)?;
    let outcome = measure(options, &binaries, &home);
    fs::remove_dir_all(&home)?;
    outcome
}

fn measure(options: &Options, binaries: &Path, home: &Path) -> Result<()> {
    // The tree is what the layers are made of.
    busybox(home, &home.join("busybox.tar"))?;
    let mut daemon = Daemon::start(binaries, home)?;
    let outcome = load(options, &daemon, home).and_then(|()| time(options, &daemon));
    daemon.stop()?;
    outcome
}

fn load(options: &Options, daemon: &Daemon, home: &Path) -> Result<()> {
    let extra = home.join("extra");
    fs::create_dir_all(&extra)?;
    let mut noise = File::open("/dev/urandom")?.take(options.megabytes * 1_000_000);
    copy(&mut noise, &mut File::create(extra.join("noise"))?)?;
    let steps = home.join("steps");
    for step in 1..options.layers {
        fs::create_dir_all(steps.join(step.to_string()))?;
    }
    let (tree, extra) = (plain(&home.join("busybox"))?, plain(&extra)?);
    let steps = plain(&steps)?;
    for (name, more) in [
        (SMALL, Vec::new()),
        (LARGE, vec![(extra.as_str(), ".".to_owned())]),
        (
            TALL,
            (1..options.layers)
                .map(|n| (steps.as_str(), n.to_string()))
                .collect(),
        ),
    ] {
        let directory = home.join("layout");
        let mut layout = Layout::create(&directory)?;
        layout.layer(&["-C", &tree, "."])?;
        for (base, part) in &more {
            layout.layer(&["-C", base, part])?;
        }
        let archive = home.join("image.tar");
        layout.finish(name, &archive)?;
        fs::remove_dir_all(directory)?;
        let load = ["load", "-qi", &plain(&archive)?];
        build::succeed(daemon.corten(&load).stdout(Stdio::null()))?;
    }
    Ok(())
}

fn time(options: &Options, daemon: &Daemon) -> Result<()> {
    let contestant = |image: &'static str| {
        let base = daemon.corten(&["run", "--rm", "--network", "none", image, "/bin/true"]);
        let program = base.get_program().to_owned();
        let arguments: Vec<_> = base.get_args().map(ToOwned::to_owned).collect();
        Contestant {
            name: image.to_owned(),
            command: Box::new(move |_| {
                let mut command = std::process::Command::new(&program);
                command.args(&arguments);
                command
            }),
        }
    };
    let contestants = [SMALL, LARGE, TALL].map(contestant);
    let times = interleave(&contestants, options.runs, Duration::ZERO)?;
    let title = format!(
        "`run --rm` of one small layer, of {} MB, of {} layers; {} runs",
        options.megabytes, options.layers, options.runs
    );
    print(&title, &times);
    Ok(())
}

fn plain(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a plain path")?.to_owned())
}
