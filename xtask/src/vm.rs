//! Tests in virtual machines: Debian 12's own kernel, cgroup v2 with all controllers, and what
//! a development machine may lack, such as systemd.
//!
//! QEMU boots Debian's 6.1 kernel in software emulation, once with an initial file system made of
//! busybox, the kernel's modules and the static test executables, and with a whole Debian around
//! them, once for each of the modules that give security labels. What they print comes over the
//! serial line, one marked line for each executable's end.

mod cpio;
mod initramfs;
mod kernel;
mod system;

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
    "engine",
    "testing",
    "cni",
];

/// Packages whose tests need a whole system.
const OF_THE_SYSTEM: &[&str] = &["corten-runtime", "engine"];

/// Those of them whose tests need systemd: the machine of a kernel and busybox has no room.
const OF_THE_SYSTEM_ALONE: &[&str] = &["engine"];

/// Packages of which it runs the tests that need modules of Debian's kernel, and no others.
const OF_ITS_KERNEL: &[&str] = &["testing", "cni"];

/// What is around the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Machine {
    /// The kernel and busybox
    Kernel,
    /// Debian with systemd, CRIU and AppArmor
    System,
    /// The same with SELinux in AppArmor's place
    Selinux,
}

impl Machine {
    const ALL: [Self; 3] = [Self::Kernel, Self::System, Self::Selinux];

    /// Arguments of a test executable that leave out what others run: another machine, or the
    /// host, where many bytes take seconds and not minutes.
    fn elsewhere(self, test: &Executable) -> &'static str {
        match self {
            Self::System if test.is_one_of(OF_ITS_KERNEL) => "--include-ignored kernel_modules::",
            Self::Kernel => "--skip checkpoint:: --skip megabytes --skip vanished",
            Self::System => "--include-ignored --skip selinux",
            Self::Selinux => "--include-ignored selinux",
        }
    }

    /// Words for the kernel.
    const fn command_line(self) -> &'static str {
        match self {
            Self::Kernel | Self::System => "",
            Self::Selinux => "security=selinux selinux=1 enforcing=0",
        }
    }
}

/// What to run in the machines
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this machine
    #[arg(long, value_enum)]
    machine: Option<Machine>,
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only these packages, also those that CI does not run there
    #[arg(long = "package", short)]
    packages: Vec<String>,
    /// Further words for the kernel's command line, such as `lsm=selinux`
    #[arg(long, default_value = "")]
    append: String,
    /// Seconds after which the machine is ended
    #[arg(long, default_value_t = DEADLINE)]
    deadline: u64,
}

/// Far above what a machine takes.
const DEADLINE: u64 = 540;

impl Default for Options {
    /// Every machine with all its tests.
    fn default() -> Self {
        Self {
            machine: None,
            filter: None,
            packages: Vec::new(),
            append: String::new(),
            deadline: DEADLINE,
        }
    }
}

impl Options {
    fn machines(&self) -> impl Iterator<Item = Machine> {
        let wanted = |machine: &Machine| self.machine.is_none_or(|one| one == *machine);
        Machine::ALL.into_iter().filter(wanted)
    }
}

/// Gets what the machines are made of, where it is missing: QEMU, a kernel and a Debian.
pub(crate) fn prepare(options: &Options) -> Result<()> {
    kernel::install()?;
    kernel::fetch()?;
    if options.machines().any(|machine| machine != Machine::Kernel) {
        system::tree()?;
    }
    Ok(())
}

/// Builds the tests, boots the machines, and fails if any of them did, or could not run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let filter = options.filter.as_deref().unwrap_or_default();
    ensure!(
        filter.chars().all(plain),
        "a filter is a part of a test's name"
    );
    prepare(options)?;
    let kernel = kernel::fetch()?;
    let tests = executables(options)?;
    for machine in options.machines() {
        one(options, machine, (&kernel, &tests))?;
    }
    Ok(())
}

fn one(
    options: &Options,
    machine: Machine,
    (kernel, tests): (&kernel::Kernel, &[Executable]),
) -> Result<()> {
    let chosen = !options.packages.is_empty();
    let here = |test: &&Executable| {
        let alone = test.is_one_of(OF_THE_SYSTEM_ALONE) || test.is_one_of(OF_ITS_KERNEL);
        test.is_binary()
            || chosen
            || match machine {
                Machine::Kernel => !alone,
                Machine::System => test.is_one_of(OF_THE_SYSTEM) || test.is_one_of(OF_ITS_KERNEL),
                Machine::Selinux => test.is_one_of(OF_THE_SYSTEM) && !alone,
            }
    };
    let tests: Vec<&Executable> = tests.iter().filter(here).collect();
    let filter = options.filter.as_deref().unwrap_or_default();
    let arguments = |test: &Executable| format!("{} {filter}", machine.elsewhere(test));
    let initramfs = crate::build::root().join("target/vm/initramfs");
    match machine {
        Machine::Kernel => initramfs::write(&initramfs, kernel, &tests, &arguments)?,
        _ => system::write(&initramfs, kernel, &tests, &arguments)?,
    }
    let report = boot(options, machine, (kernel, &initramfs))?;
    println!(
        "{machine:?}: {} executables passed, {} failed, {} tests skipped",
        report.passed.len(),
        report.failed.len(),
        report.skipped.len()
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
        report.skipped.is_empty(),
        "skipped in the machine: {}",
        report.skipped.join(", ")
    );
    let expected = tests.iter().filter(|test| !test.is_binary()).count();
    ensure!(report.passed.len() == expected, "not every executable ran");
    Ok(())
}

/// A test executable, and the name it has in the machine.
pub(crate) struct Executable {
    /// `PACKAGE-TARGET`
    pub(crate) name: String,
    /// Where cargo built it.
    pub(crate) path: PathBuf,
}

impl Executable {
    /// Whether tests run it, and it is none itself.
    fn is_binary(&self) -> bool {
        self.name.starts_with("bin/")
    }

    fn is_one_of(&self, packages: &[&str]) -> bool {
        let own = |package: &&str| self.name.starts_with(&format!("{package}-"));
        packages.iter().any(own)
    }
}

fn executables(options: &Options) -> Result<Vec<Executable>> {
    let chosen: Vec<&str> = if options.packages.is_empty() {
        PACKAGES.to_vec()
    } else {
        options.packages.iter().map(String::as_str).collect()
    };
    // The whole workspace's tests, as `cargo xtask test` builds them: nothing is built twice.
    let mut arguments = vec!["test", "--workspace", "--no-run"];
    arguments.extend(["--message-format", "json-render-diagnostics"]);
    if options
        .machine
        .is_some_and(|machine| machine != Machine::Kernel)
    {
        arguments.extend(["--test", "it"]);
    }
    let mut found = built(&arguments, &chosen)?;
    // Binaries that have no tests of their own are built by themselves.
    let arguments = [
        "build",
        "--workspace",
        "--bins",
        "--message-format",
        "json-render-diagnostics",
    ];
    for binary in built(&arguments, &chosen)? {
        if found.iter().all(|known| known.name != binary.name) {
            found.push(binary);
        }
    }
    Ok(found)
}

/// What cargo builds when it is called so.
fn built(arguments: &[&str], chosen: &[&str]) -> Result<Vec<Executable>> {
    let output = cargo(arguments).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the tests do not build");
    let messages = String::from_utf8(output.stdout)?;
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(built
        .filter_map(|message| executable(&message, chosen))
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
    skipped: Vec<String>,
    ended: bool,
}

/// Runs the machine to its end, showing what it prints.
fn boot(
    options: &Options,
    machine: Machine,
    (kernel, initramfs): (&kernel::Kernel, &Path),
) -> Result<Report> {
    let append = format!(
        "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=unstable \
         systemd.show_status=no systemd.getty_auto=no systemd.firstboot=no {} {}",
        machine.command_line(),
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
            "3072",
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

/// Reads the marks that the machine's init prints: `@@ NAME CODE`, `@@ skipped TEST: WHY` and
/// `@@ end`.
fn note(line: &str, report: &mut Report) {
    let mut words = line.split_whitespace();
    if words.next() != Some("@@") {
        return;
    }
    if let Some(test) = line.strip_prefix("@@ skipped ") {
        report.skipped.push(test.to_owned());
        return;
    }
    match (words.next(), words.next()) {
        (Some("end"), None) => report.ended = true,
        (Some(name), Some("0")) => report.passed.push(name.to_owned()),
        (Some(name), Some(_)) => report.failed.push(name.to_owned()),
        _ => {}
    }
}
