//! Timing corten against its peers: interleaved rounds, medians, and ratios.

pub(crate) mod daemon;
pub(crate) mod density;
pub(crate) mod engines;
mod layout;
pub(crate) mod load;
pub(crate) mod network;
pub(crate) mod pull;
pub(crate) mod runtimes;
pub(crate) mod sizes;

use anyhow::{Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One thing to time: a fresh command for every run.
pub(crate) struct Contestant {
    /// The name in the table.
    pub(crate) name: String,
    /// Makes the command of run number `n`.
    pub(crate) command: Box<dyn Fn(usize) -> Command>,
}

/// One contestant's times.
pub(crate) struct Times {
    name: String,
    sorted: Vec<Duration>,
}

impl Times {
    /// The samples of one contestant.
    pub(crate) fn new(name: &str, mut samples: Vec<Duration>) -> Self {
        samples.sort();
        Self {
            name: name.to_owned(),
            sorted: samples,
        }
    }

    fn quantile(&self, of_100: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted
            .get(last * of_100 / 100)
            .copied()
            .unwrap_or_default()
    }
}

/// Runs each contestant once a round, in rotating order, `idle` between two runs.
pub(crate) fn interleave(
    contestants: &[Contestant],
    runs: usize,
    idle: Duration,
) -> Result<Vec<Times>> {
    const WARM_UP: usize = 3;
    let mut samples = vec![Vec::new(); contestants.len()];
    for round in 0..runs + WARM_UP {
        for place in 0..contestants.len() {
            let index = (place + round) % contestants.len();
            std::thread::sleep(idle);
            let taken = time(
                &mut (contestants[index].command)(round),
                &contestants[index].name,
            )?;
            if round >= WARM_UP {
                samples[index].push(taken);
            }
        }
    }
    let times = contestants.iter().zip(samples);
    Ok(times
        .map(|(c, samples)| Times::new(&c.name, samples))
        .collect())
}

fn time(command: &mut Command, name: &str) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let child = command.spawn()?;
    let output = child.wait_with_output()?;
    let taken = start.elapsed();
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{name}: {command:?} ended with {}: {words}",
        output.status
    );
    Ok(taken)
}

/// Measures with a directory of its own, which goes whatever comes of it.
pub(crate) fn at_home(measure: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let home = std::env::temp_dir().join(format!("corten-bench-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let outcome = measure(&home);
    std::fs::remove_dir_all(&home)?;
    outcome
}

/// An engine's command.
pub(crate) fn of(engine: &[String], arguments: &[&str]) -> Command {
    let mut command = Command::new(&engine[0]);
    command.args(&engine[1..]).args(arguments);
    command
}

/// What a command prints, which must end well.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A table of medians, p10, p90, and the ratio of each median to the first's.
pub(crate) fn print(title: &str, times: &[Times]) {
    println!("\n{title}\n");
    println!("| | median ms | p10 | p90 | ratio to the first |\n|---|--:|--:|--:|--:|");
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let first = times.first().map_or(f64::NAN, |t| ms(t.quantile(50)));
    for t in times {
        let (p10, p50, p90) = (ms(t.quantile(10)), ms(t.quantile(50)), ms(t.quantile(90)));
        println!(
            "| {} | {p50:.2} | {p10:.2} | {p90:.2} | {:.2} |",
            t.name,
            p50 / first
        );
    }
}

/// The first of these that is an executable on the search path.
pub(crate) fn installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
