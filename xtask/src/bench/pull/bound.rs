//! What the bytes of an image cost one after another: decompressed, hashed, written, synced.

use crate::bench::installed;
use crate::build::succeed;
use anyhow::{Result, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Does it once, by `igzip` (or `gzip` where that is missing), `sha256sum` and `cp`.
pub(super) fn sequential(layers: &[PathBuf], home: &Path) -> Result<Duration> {
    let directory = home.join("bound");
    fs::create_dir_all(&directory)?;
    let start = Instant::now();
    for (n, layer) in layers.iter().enumerate() {
        one(layer, &directory.join(n.to_string()))?;
    }
    succeed(Command::new("sync").arg("-f").arg(&directory))?;
    let taken = start.elapsed();
    fs::remove_dir_all(directory)?;
    Ok(taken)
}

/// The program that decompresses.
pub(super) fn gunzip() -> &'static str {
    match installed("igzip") {
        true => "igzip",
        false => "gzip",
    }
}

fn one(layer: &Path, out: &Path) -> Result<()> {
    let (blob, archive) = (out.with_extension("gz"), out.with_extension("tar"));
    succeed(Command::new("cp").arg(layer).arg(&blob))?;
    let mut gunzip = Command::new(gunzip());
    let status = gunzip
        .arg("-dc")
        .arg(layer)
        .stdout(File::create(&archive)?)
        .status()?;
    ensure!(status.success(), "{gunzip:?} ended with {status}");
    succeed(
        Command::new("sha256sum")
            .args([&blob, &archive])
            .stdout(Stdio::null()),
    )
}
