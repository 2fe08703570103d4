//! All checks and all tests, also in virtual machines, and one closing line that counts the
//! host's.

use crate::build::{cargo, directory, root, succeed};
use crate::{orphans, require, tidy, vm};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Formatting, lints and the rules of the house.
pub(crate) fn check() -> Result<()> {
    succeed(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    succeed(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Everything that CI runs.
pub(crate) fn test() -> Result<()> {
    require::install()?;
    check()?;
    let preparing = std::thread::spawn(|| vm::prepare(&vm::Options::default()));
    let built = succeed(&mut cargo(&["build", "--workspace", "--bins", "--quiet"]));
    let tally = built.and_then(|()| run());
    let prepared = preparing.join();
    let tally = tally?;
    let mut skipped = skips()?;
    let passed = tally.passed - skipped.len();
    let in_machines = match prepared.ok().context("cannot prepare machines")? {
        Ok(()) => vm::run(&vm::Options::default()),
        Err(error) => {
            skipped.push(format!("all of the virtual machines: {error:#}"));
            Ok(())
        }
    };
    for reason in &skipped {
        println!("skipped: {reason}");
    }
    println!(
        "{passed} passed, {} failed, {} skipped",
        tally.failed,
        skipped.len()
    );
    ensure!(tally.complete, "a test executable did not end as it should");
    ensure!(tally.failed == 0, "{} tests failed", tally.failed);
    ensure!(tally.left == 0, "tests left {} processes", tally.left);
    in_machines?;
    let allowed = allowed_skips()?;
    ensure!(
        skipped.len() <= allowed,
        "{} tests skipped, {allowed} are allowed by xtask/skips-allowed",
        skipped.len()
    );
    Ok(())
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// Processes that outlived the tests.
    left: usize,
    complete: bool,
}

/// Where a test that cannot run appends one line: its name and why.
fn skip_log() -> std::path::PathBuf {
    root().join("target/skipped")
}

fn run() -> Result<Tally> {
    std::fs::create_dir_all(root().join("target"))?;
    std::fs::write(skip_log(), "")?;
    let mut child = orphans::seen_to(&cargo(&[
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--test-threads",
        "4",
    ]))
    .env("CORTEN_SKIP_LOG", skip_log())
    .env("CORTEN_BINARIES", directory("debug")?)
    .stdout(Stdio::piped())
    .spawn()?;
    let mut tally = Tally::default();
    let output = child.stdout.take().context("cargo's output is piped")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        tally.left += usize::from(line.starts_with(orphans::LEFT));
        count(&line, &mut tally);
    }
    tally.complete = child.wait()?.success() || tally.failed > 0;
    Ok(tally)
}

/// Adds a line `test result: ok. 3 passed; 0 failed; …` of libtest.
fn count(line: &str, tally: &mut Tally) {
    let Some(counts) = line.strip_prefix("test result: ") else {
        return;
    };
    for part in counts.split([';', '.']) {
        let mut words = part.split_whitespace();
        let (number, what) = (
            words.next().and_then(|n| n.parse::<usize>().ok()),
            words.next(),
        );
        match (number, what) {
            (Some(n), Some("passed")) => tally.passed += n,
            (Some(n), Some("failed")) => tally.failed += n,
            _ => {}
        }
    }
}

fn skips() -> Result<Vec<String>> {
    Ok(std::fs::read_to_string(skip_log())?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn allowed_skips() -> Result<usize> {
    let file = root().join("xtask/skips-allowed");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    text.trim()
        .parse()
        .with_context(|| format!("{} is no number", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_all_executables_are_added_up() {
        let mut tally = Tally::default();
        count(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            &mut tally,
        );
        count(
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured",
            &mut tally,
        );
        count("running 3 tests", &mut tally);
        assert_eq!((tally.passed, tally.failed), (5, 1));
    }
}
