//! The network: what a published port and a bridge carry, against docker's.
//!
//! corten runs in a network namespace of its own, dockerd in this one, because its firewall
//! forwards nothing of others. Both get a link to a third, which stands for another host.

use super::daemon::Daemon;
use super::load::What;
use super::{of, output};
use crate::build;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What to measure
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the executables are; without it they are built, optimised
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Rounds of every measurement
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each takes
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// A dockerd to compare with, as `unix://PATH`; the `docker` command speaks to it
    #[arg(long)]
    docker: Option<String>,
}

const IMAGE: &str = "corten-bench:load";
const NETWORK: &str = "corten-bench";
const SERVER: &str = "corten-bench-server";
/// Where the server listens in its container.
const INSIDE: u16 = 9000;
/// The port that it is published at.
const PORT: u16 = 9100;

/// An engine with a server behind a published port.
struct Engine {
    command: Vec<String>,
    /// Where it runs.
    site: Site,
    /// The server's address in its network.
    address: String,
}

/// From where the server is reached.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Another host, by the published port.
    Peer,
    /// This host, by the published port of 127.0.0.1.
    Loopback,
    /// Another container of its network.
    Container,
}

/// Starts a server in every engine, and measures each way to it in turns.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = build::release_unless(options.binaries.as_deref())?;
    super::at_home(|home| compare(options, &binaries, home))
}

fn compare(options: &Options, binaries: &Path, home: &Path) -> Result<()> {
    let archive = home.join("load.tar");
    image(home, &archive)?;
    let peer = Namespace::add("peer")?;
    let own = Namespace::add("corten")?;
    let site = Site::link(Some(&own), 77, &peer)?;
    let by = own.enter(&binaries.join("corten"));
    let mut daemon = Daemon::start_by(by, binaries, home, &[])?;
    let corten = binaries.join("corten").display().to_string();
    let mut engines = vec![(vec![corten, "-H".into(), daemon.socket.clone()], site)];
    match &options.docker {
        Some(socket) => {
            let command = vec!["docker".into(), "-H".into(), socket.clone()];
            engines.push((command, Site::link(None, 78, &peer)?));
        }
        None => println!("absent: docker (no --docker unix://SOCKET)"),
    }
    let commands: Vec<_> = engines.iter().map(|(command, _)| command.clone()).collect();
    let outcome = measure(options, engines, &archive, &peer);
    for command in &commands {
        for undo in [
            ["rm", "-f", SERVER],
            ["network", "rm", NETWORK],
            ["rmi", "-f", IMAGE],
        ] {
            drop(of(command, &undo).stderr(Stdio::null()).output());
        }
    }
    daemon.stop()?;
    outcome
}

/// An image of nothing but this executable.
fn image(home: &Path, archive: &Path) -> Result<()> {
    let tree = home.join("load");
    std::fs::create_dir_all(tree.join("bin"))?;
    std::fs::copy(std::env::current_exe()?, tree.join("bin/load"))?;
    build::succeed(
        Command::new("tar")
            .arg("-C")
            .arg(&tree)
            .arg("-cf")
            .arg(archive)
            .arg("."),
    )
}

fn measure(
    options: &Options,
    engines: Vec<(Vec<String>, Site)>,
    archive: &Path,
    peer: &Namespace,
) -> Result<()> {
    let engines = engines
        .into_iter()
        .map(|(command, site)| Engine::start(command, site, archive))
        .collect::<Result<Vec<_>>>()?;
    println!("| | from | {} | ratio to the first |", names(&engines));
    println!("|---|---|{}--:|", "--:|".repeat(engines.len()));
    for way in [Way::Peer, Way::Loopback, Way::Container] {
        for what in [What::Throughput, What::Connections, What::Latency] {
            let mut samples = vec![Vec::new(); engines.len()];
            for round in 0..options.rounds {
                for place in 0..engines.len() {
                    let index = (place + round) % engines.len();
                    samples[index].push(engines[index].ask(way, what, options.seconds, peer)?);
                }
            }
            print(way, what, &samples);
        }
    }
    Ok(())
}

fn names(engines: &[Engine]) -> String {
    let names = engines.iter().map(|engine| {
        let program = engine.command[0].rsplit('/').next();
        program.unwrap_or_default().to_owned()
    });
    names.collect::<Vec<_>>().join(" | ")
}

/// Prints medians over the rounds, a line for each figure that `what` gives.
fn print(way: Way, what: What, samples: &[Vec<Vec<f64>>]) {
    let figures = samples[0][0].len();
    for figure in 0..figures {
        let medians: Vec<f64> = samples
            .iter()
            .map(|rounds| {
                let mut values: Vec<f64> = rounds.iter().map(|round| round[figure]).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            })
            .collect();
        let (label, unit) = match (what, figure) {
            (What::Throughput, _) => ("MB/s", 1e6),
            (What::Connections, _) => ("connections/s", 1.0),
            (_, 0) => ("us there and back, median", 1.0),
            _ => ("us there and back, p99", 1.0),
        };
        let cells = medians.iter().map(|median| format!("{:.1}", median / unit));
        let ratio = medians.last().copied().unwrap_or(f64::NAN) / medians[0];
        let cells = cells.collect::<Vec<_>>().join(" | ");
        println!("| {label} | {way:?} | {cells} | {ratio:.2} |");
    }
}

impl Engine {
    fn start(command: Vec<String>, site: Site, archive: &Path) -> Result<Self> {
        let archive = archive.to_str().context("a plain path")?;
        let quiet =
            |arguments: &[&str]| build::succeed(of(&command, arguments).stdout(Stdio::null()));
        quiet(&["import", archive, IMAGE])?;
        quiet(&["network", "create", NETWORK])?;
        let publish = format!("{PORT}:{INSIDE}");
        let listen = format!("0.0.0.0:{INSIDE}");
        quiet(&[
            "run",
            "-d",
            "--name",
            SERVER,
            "--network",
            NETWORK,
            "-p",
            &publish,
            IMAGE,
            "/bin/load",
            "bench",
            "load",
            "serve",
            &listen,
        ])?;
        let template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = output(of(&command, &["inspect", "-f", template, SERVER]))?;
        Ok(Self {
            command,
            site,
            address: format!("{}:{INSIDE}", address.trim()),
        })
    }

    /// The figures of one measurement.
    fn ask(&self, way: Way, what: What, seconds: u64, peer: &Namespace) -> Result<Vec<f64>> {
        let seconds = seconds.to_string();
        let load = |address: &str| {
            let words = ["bench", "load", what.name(), address, "--seconds", &seconds];
            words.map(str::to_owned)
        };
        let command = match way {
            Way::Peer => {
                let mut command = peer.enter(&std::env::current_exe()?);
                command.args(load(&format!("{}:{PORT}", self.site.address)));
                command
            }
            Way::Loopback => {
                let mut command = self.site.enter(&std::env::current_exe()?);
                command.args(load(&format!("127.0.0.1:{PORT}")));
                command
            }
            Way::Container => {
                let mut command = of(
                    &self.command,
                    &["run", "--rm", "--network", NETWORK, IMAGE, "/bin/load"],
                );
                command.args(load(&self.address));
                command
            }
        };
        let printed = output(command)?;
        let figures = printed.split_whitespace().map(str::parse);
        figures.collect::<Result<_, _>>().context(printed.clone())
    }
}

/// A network namespace with a name; gone on drop, with its links.
struct Namespace(String);

impl Namespace {
    fn add(what: &str) -> Result<Self> {
        let name = format!("corten-bench-{what}-{}", std::process::id());
        ip(&format!("netns add {name}"))?;
        let namespace = Self(name);
        ip(&format!("-n {} link set lo up", namespace.0))?;
        Ok(namespace)
    }

    /// A command that executes `program` there.
    fn enter(&self, program: &Path) -> Command {
        enter(&self.0, program)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["netns", "del", &self.0]).output());
    }
}

/// Where a daemon runs, and its address there.
struct Site {
    /// The namespace; this one if there is no name.
    namespace: Option<String>,
    address: String,
}

impl Site {
    /// Gives a link to `peer`, with a subnet for measurements between hosts (RFC 2544).
    fn link(namespace: Option<&Namespace>, subnet: u8, peer: &Namespace) -> Result<Self> {
        let (name, peer) = (format!("bench{subnet}"), &peer.0);
        let own = namespace.map_or(String::new(), |namespace| format!("-n {} ", namespace.0));
        let address = format!("198.18.{subnet}.1");
        ip(&format!(
            "{own}link add {name} type veth peer name {name} netns {peer}"
        ))?;
        ip(&format!("{own}addr add {address}/24 dev {name}"))?;
        ip(&format!("{own}link set {name} up"))?;
        ip(&format!(
            "-n {peer} addr add 198.18.{subnet}.2/24 dev {name}"
        ))?;
        ip(&format!("-n {peer} link set {name} up"))?;
        Ok(Self {
            namespace: namespace.map(|namespace| namespace.0.clone()),
            address,
        })
    }

    /// A command that executes `program` there.
    fn enter(&self, program: &Path) -> Command {
        match &self.namespace {
            Some(name) => enter(name, program),
            None => Command::new(program),
        }
    }
}

fn enter(namespace: &str, program: &Path) -> Command {
    // `ip netns exec` would hide the cgroups' mounts.
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}"));
    command.arg(program);
    command
}

fn ip(line: &str) -> Result<()> {
    build::succeed(Command::new("ip").args(line.split(' ')))
}
