//! Tests in a virtual machine: Debian 12's own kernel, cgroup v2 with all controllers, and
//! the kernel features that a development machine may lack.
//!
//! QEMU boots Debian's 6.1 kernel in software emulation with an initial file system made of
//! busybox, the kernel's modules and the static test executables; what they print comes over
//! the serial line, one marked line for each executable's end.

mod cpio;
mod initramfs;
mod kernel;

use crate::build::cargo;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Packages whose tests drive the kernel.
const PACKAGES: &[&str] = &[
    "container",
    "cgroup",
    "seccomp",
    "sys",
    "erofs",
    "unpack",
    "corten-runtime",
    "corten-shim",
];

/// What to run in the machine
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only these packages
    #[arg(long = "package", short)]
    packages: Vec<String>,
    /// Further words for the kernel's command line, such as `lsm=selinux`
    #[arg(long, default_value = "")]
    append: String,
    /// Seconds after which the machine is ended
    #[arg(long, default_value_t = 540)]
    deadline: u64,
}

/// Builds the tests, boots the machine, and fails if any of them did.
pub(crate) fn run(options: &Options) -> Result<()> {
    kernel::install()?;
    let kernel = kernel::fetch()?;
    let tests = executables(options)?;
    ensure!(!tests.is_empty(), "no test executables were built");
    let folder = crate::build::root().join("target/vm");
    let initramfs = folder.join("initramfs");
    initramfs::write(
        &initramfs,
        &kernel,
        &tests,
        options.filter.as_deref().unwrap_or_default(),
    )?;
    let report = boot(options, &kernel, &initramfs)?;
    println!(
        "{} passed, {} failed",
        report.passed.len(),
        report.failed.len()
    );
    ensure!(
        report.ended,
        "the machine did not come to its end within {} s",
        options.deadline
    );
    ensure!(
        report.failed.is_empty(),
        "failed in the machine: {}",
        report.failed.join(", ")
    );
    ensure!(
        report.passed.len() == tests.len(),
        "not every executable ran"
    );
    Ok(())
}

/// A test executable, and the name it has in the machine.
pub(crate) struct Executable {
    /// `PACKAGE-TARGET`
    pub(crate) name: String,
    /// Where cargo built it.
    pub(crate) path: PathBuf,
}

fn executables(options: &Options) -> Result<Vec<Executable>> {
    let chosen: Vec<&str> = if options.packages.is_empty() {
        PACKAGES.to_vec()
    } else {
        options.packages.iter().map(String::as_str).collect()
    };
    let mut arguments = vec![
        "test",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ];
    arguments.extend(chosen.iter().flat_map(|package| ["--package", package]));
    let output = cargo(&arguments).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the tests do not build");
    let messages = String::from_utf8(output.stdout)?;
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(built
        .filter_map(|message| executable(&message, &chosen))
        .collect())
}

fn executable(message: &serde_json::Value, chosen: &[&str]) -> Option<Executable> {
    let path = message["executable"].as_str()?;
    let is_test = message["profile"]["test"].as_bool()?;
    let target = message["target"]["name"].as_str()?;
    // Binaries that tests drive are built beside them and lie on the machine's search path.
    if !is_test {
        return Some(Executable {
            name: format!("bin/{target}"),
            path: path.into(),
        });
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let package = manifest.parent()?.file_name()?.to_str()?;
    chosen.contains(&package).then(|| Executable {
        name: format!("{package}-{target}"),
        path: path.into(),
    })
}

#[derive(Default)]
struct Report {
    passed: Vec<String>,
    failed: Vec<String>,
    ended: bool,
}

/// Runs the machine to its end, showing what it prints.
fn boot(options: &Options, kernel: &kernel::Kernel, initramfs: &Path) -> Result<Report> {
    let append = format!(
        "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=unstable {}",
        options.append
    );
    let mut child = Command::new("timeout")
        .args(["--kill-after=5", &options.deadline.to_string()])
        .args([
            "qemu-system-x86_64",
            "-M",
            "q35",
            "-cpu",
            "qemu64",
            "-accel",
            "tcg",
            "-smp",
            "2",
            "-m",
            "2048",
        ])
        .args([
            "-nographic",
            "-no-reboot",
            "-nodefaults",
            "-serial",
            "stdio",
        ])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", &append])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start qemu-system-x86_64")?;
    let mut report = Report::default();
    let output = child.stdout.take().context("the serial line is piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?)
            .trim_end_matches('\r')
            .to_owned();
        note(&line, &mut report);
        println!("vm| {line}");
    }
    child.wait()?;
    Ok(report)
}

/// Reads the marks that the machine's init prints: `@@ NAME CODE` and `@@ end`.
fn note(line: &str, report: &mut Report) {
    let mut words = line.split_whitespace();
    if words.next() != Some("@@") {
        return;
    }
    match (words.next(), words.next()) {
        (Some("end"), None) => report.ended = true,
        (Some(name), Some("0")) => report.passed.push(name.to_owned()),
        (Some(name), Some(_)) => report.failed.push(name.to_owned()),
        _ => {}
    }
}
