//! `run` of one OCI bundle: corten-runtime, crun, runc, youki.

use super::{Contestant, installed, interleave, print};
use crate::build;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What to time
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Counted runs of each runtime
    #[arg(long, default_value_t = 60)]
    runs: usize,
    /// Further runtimes as NAME=PATH; crun, runc and youki are found on the search path
    peers: Vec<String>,
}

/// Makes a busybox bundle and times every runtime that is there on it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    super::at_home(|home| compare(options, &binaries, home))
}

/// A bundle whose program is `true`, configured by what the runtime says is usual.
pub(crate) fn bundle(runtime: &Path, home: &Path) -> Result<()> {
    std::fs::create_dir_all(home.join("rootfs/bin"))?;
    std::fs::copy("/bin/busybox", home.join("rootfs/bin/true"))
        .context("needs busybox-static: apt-get install busybox-static")?;
    build::succeed(Command::new(runtime).arg("spec").arg("--bundle").arg(home))?;
    configure(home)
}

fn compare(options: &Options, binaries: &Path, home: &Path) -> Result<()> {
    let ours = binaries.join("corten-runtime");
    bundle(&ours, home)?;
    let mut runtimes = vec![("corten-runtime".to_owned(), ours)];
    for name in ["crun", "runc", "youki"] {
        if installed(name) {
            runtimes.push((name.to_owned(), PathBuf::from(name)));
        } else {
            println!("absent: {name} (not on the search path)");
        }
    }
    let named = options.peers.iter().filter_map(|peer| peer.split_once('='));
    runtimes.extend(named.map(|(name, path)| (name.to_owned(), PathBuf::from(path))));
    let contestants: Vec<_> = runtimes
        .into_iter()
        .map(|(name, path)| contestant(name, path, home))
        .collect();
    let times = interleave(&contestants, options.runs, Duration::ZERO)?;
    print(
        &format!("`run` of a busybox bundle, {} runs", options.runs),
        &times,
    );
    Ok(())
}

/// The bundle's program is `true`, without a terminal.
fn configure(home: &Path) -> Result<()> {
    let file = home.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    config["process"]["args"] = serde_json::json!(["/bin/true"]);
    config["process"]["terminal"] = serde_json::json!(false);
    std::fs::write(file, serde_json::to_vec(&config)?)?;
    Ok(())
}

fn contestant(name: String, path: PathBuf, home: &Path) -> Contestant {
    let state = home.join(format!("state-{name}"));
    let bundle = home.to_owned();
    let id = name.clone();
    Contestant {
        name,
        command: Box::new(move |n| {
            let mut command = Command::new(&path);
            command
                .arg("--root")
                .arg(&state)
                .arg("run")
                .arg("--bundle")
                .arg(&bundle)
                .arg(format!("{id}-{n}"));
            command
        }),
    }
}
