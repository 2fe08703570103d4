//! Many containers left running: what each costs in time and memory.

use super::daemon::{Daemon, busybox};
use super::output;
use crate::build;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How many
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Containers started one after another and left running
    #[arg(long, default_value_t = 100)]
    containers: usize,
    /// Of these, how many get one exec and 10 MB of log before they are measured
    #[arg(long, default_value_t = 10)]
    busy: usize,
}

const IMAGE: &str = "corten-bench:busybox";

/// Starts them, and prints start times, the time of a list, shim and daemon memory.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    super::at_home(|home| measure(options, &binaries, home))
}

/// Between two starts.
const PAUSE: Duration = Duration::from_millis(50);
/// Lists that are timed.
const LISTS: usize = 11;
/// Until what was written is on the disk, and supervisors have given back what they needed for it.
const SETTLING: Duration = Duration::from_secs(10);

fn measure(options: &Options, binaries: &Path, home: &Path) -> Result<()> {
    let archive = home.join("busybox.tar");
    busybox(home, &archive)?;
    let mut daemon = Daemon::start(binaries, home)?;
    let import = ["import", archive.to_str().context("a plain path")?, IMAGE];
    build::succeed(daemon.corten(&import).stdout(Stdio::null()))?;
    let outcome = fill(options, &daemon, home);
    let ids = output(daemon.corten(&["ps", "-aq"]))?;
    for id in ids.split_whitespace() {
        build::succeed(daemon.corten(&["rm", "-f", id]).stdout(Stdio::null()))?;
    }
    daemon.stop()?;
    outcome
}

fn fill(options: &Options, daemon: &Daemon, home: &Path) -> Result<()> {
    let script =
        "dd if=/dev/zero bs=1k count=10000 2>/dev/null | tr '\\0' '\\n' ; exec sleep 1000000";
    let mut starts = Vec::new();
    // Those that write come last: nothing is timed beside them, or beside what the disk has to do
    // for them.
    let quiet = options.containers.saturating_sub(options.busy);
    for n in 0..options.containers {
        let program = if n >= quiet {
            script
        } else {
            "exec sleep 1000000"
        };
        // Each finds a sandbox made ahead, as the first does.
        std::thread::sleep(PAUSE);
        let start = Instant::now();
        let words = ["run", "-d", "--network", "none", IMAGE, "/bin/sh", "-c"];
        let mut command = daemon.corten(&words);
        command.arg(program);
        let id = output(command)?;
        if n >= quiet {
            let written = "until grep -q sleep /proc/1/cmdline; do sleep 0.1; done";
            output(daemon.corten(&["exec", id.trim(), "/bin/sh", "-c", written]))?;
        } else {
            starts.push(start.elapsed());
        }
    }
    std::thread::sleep(SETTLING);
    let ten = |starts: &[Duration]| {
        starts.iter().sum::<Duration>().as_secs_f64() * 1e3 / starts.len().max(1) as f64
    };
    let edge = starts.len().min(10);
    let (first, last) = (ten(&starts[..edge]), ten(&starts[starts.len() - edge..]));
    println!(
        "starts, ms each: first ten {first:.2}, last ten {last:.2}, ratio {:.2}",
        last / first
    );
    println!("list of them, ms: {:.2}", list(daemon)?);
    report("shim", &shims(&home.join("run"))?)?;
    report("daemon", &[daemon.pid()])
}

/// Median time of a command that lists them, in ms.
fn list(daemon: &Daemon) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let start = Instant::now();
        output(daemon.corten(&["ps"]))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Pids of the shims of this run directory.
fn shims(run: &Path) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir(run.join("shims"))?.flatten() {
        let state: serde_json::Value =
            serde_json::from_slice(&fs::read(entry.path().join("shim.json"))?)?;
        pids.push(u32::try_from(
            state["process"]["pid"].as_u64().context("a shim's pid")?,
        )?);
    }
    Ok(pids)
}

/// Prints median and largest private dirty memory with page tables, and resident memory, in kB.
fn report(name: &str, pids: &[u32]) -> Result<()> {
    let mut private = Vec::new();
    let mut resident = Vec::new();
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        private.push(field(&rollup, "Private_Dirty:") + field(&status, "VmPTE:"));
        resident.push(field(&status, "VmRSS:"));
    }
    private.sort_unstable();
    resident.sort_unstable();
    let middle = |all: &[u64]| all.get(all.len() / 2).copied().unwrap_or_default();
    let most = |all: &[u64]| all.last().copied().unwrap_or_default();
    println!(
        "{name} ({}), kB: private dirty and page tables {} (largest {}), resident {} (largest {})",
        pids.len(),
        middle(&private),
        most(&private),
        middle(&resident),
        most(&resident)
    );
    Ok(())
}

fn field(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
