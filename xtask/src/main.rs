//! Automation of this repository: `cargo xtask demo`, `test`, `check`, `tidy`, `vm`, `fuzz`,
//! `bench`, `hot`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for people at a terminal"
)]

mod bench;
mod build;
mod demo;
mod fuzz;
mod hot;
mod orphans;
mod require;
mod suite;
mod tidy;
mod vm;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Automation of this repository
#[derive(Parser)]
enum Task {
    /// Build corten and run the container that comes with it
    Demo,
    /// Install what the tests need, and run everything that CI runs; fails if a process is left
    Test,
    /// Formatting, clippy and the tidy rules, without tests
    Check,
    /// The rules of the house that a machine can check
    Tidy,
    /// Run the kernel's tests in a virtual machine with Debian 12's kernel and cgroup v2
    Vm(vm::Options),
    /// Feed parsers of what comes from outside with what nobody thought of (libFuzzer; needs g++)
    Fuzz(fuzz::Options),
    /// Run a command, and end and name what it leaves behind
    #[command(hide = true)]
    Orphans {
        #[arg(last = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Find the functions that starts go through, for releases to be linked with them side by side
    Hot(hot::Options),
    /// Time corten against the peers that are installed
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// `run --rm` of a trivial container, client start to client exit
    Run(bench::engines::Options),
    /// Containers left running: start times, and memory of shims and daemon
    Density(bench::density::Options),
    /// `pull` of a large image into an empty store, and its first `run`
    Pull(bench::pull::Options),
    /// `run --rm` by the size of the image: bytes and layers
    Sizes(bench::sizes::Options),
    /// What a published port and a bridge carry
    Network(bench::network::Options),
    /// The server and the clients of `network`
    #[command(hide = true)]
    Load(bench::load::Options),
    /// `run` of an OCI bundle
    Runtime(bench::runtimes::Options),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Demo => demo::run(),
        Task::Test => suite::test(),
        Task::Check => suite::check(),
        Task::Tidy => tidy::run(),
        Task::Vm(options) => vm::run(&options),
        Task::Orphans { command } => orphans::run(&command),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Hot(options) => hot::run(&options),
        Task::Bench(Bench::Run(options)) => bench::engines::run(&options),
        Task::Bench(Bench::Density(options)) => bench::density::run(&options),
        Task::Bench(Bench::Pull(options)) => bench::pull::run(&options),
        Task::Bench(Bench::Sizes(options)) => bench::sizes::run(&options),
        Task::Bench(Bench::Network(options)) => bench::network::run(&options),
        Task::Bench(Bench::Load(options)) => bench::load::run(&options),
        Task::Bench(Bench::Runtime(options)) => bench::runtimes::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
