//! Who pulls: the commands of each engine.

use super::Options;
use crate::bench::daemon::Daemon;
use crate::build::succeed;
use anyhow::Result;
use std::process::{Command, Stdio};

/// An engine: the words of its commands, with `IMAGE` for the reference.
pub(super) struct Engine {
    pub(super) name: String,
    client: Vec<String>,
    pull: &'static [&'static str],
    run: &'static [&'static str],
    clean: &'static [&'static str],
}

const IMAGE: &str = "IMAGE";
const RUN: &[&str] = &["run", "--rm", "--network", "none", IMAGE, "/bin/true"];
const CLEAN: &[&str] = &["rmi", "-f", IMAGE];

impl Engine {
    pub(super) fn corten(name: &str, daemon: &Daemon) -> Self {
        let command = daemon.corten(&[]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        Self {
            name: name.to_owned(),
            client: words
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            pull: &["pull", "-q", IMAGE],
            run: RUN,
            clean: CLEAN,
        }
    }

    fn docker(socket: &str) -> Self {
        Self {
            name: "docker".to_owned(),
            client: vec!["docker".to_owned(), "-H".to_owned(), socket.to_owned()],
            pull: &["pull", "-q", IMAGE],
            run: RUN,
            clean: CLEAN,
        }
    }

    fn containerd(command: &str) -> Self {
        Self {
            name: "containerd".to_owned(),
            client: words(command),
            pull: &["image", "pull", "--plain-http", IMAGE],
            run: &["run", "--rm", IMAGE, "corten-bench", "/bin/true"],
            clean: &["image", "rm", "--sync", IMAGE],
        }
    }

    fn podman(command: &str) -> Self {
        Self {
            name: "podman".to_owned(),
            client: words(command),
            pull: &["pull", "-q", "--tls-verify=false", IMAGE],
            run: RUN,
            clean: CLEAN,
        }
    }

    /// Fetches the image, and runs a container of it.
    pub(super) fn pull_and_run(&self, reference: &str) -> Result<()> {
        self.does(self.pull, reference)?;
        self.does(self.run, reference)
    }

    /// Removes the image.
    pub(super) fn clean(&self, reference: &str) -> Result<()> {
        self.does(self.clean, reference)
    }

    fn does(&self, words: &[&str], reference: &str) -> Result<()> {
        let mut command = Command::new(&self.client[0]);
        command.args(&self.client[1..]);
        for word in words {
            command.arg(if *word == IMAGE { reference } else { word });
        }
        succeed(command.stdin(Stdio::null()).stdout(Stdio::null()))
    }
}

/// The peers that were named; the others are said to be absent.
pub(super) fn peers(options: &Options) -> Vec<Engine> {
    let named = [
        ("docker", options.docker.as_deref().map(Engine::docker)),
        ("ctr", options.ctr.as_deref().map(Engine::containerd)),
        ("podman", options.podman.as_deref().map(Engine::podman)),
    ];
    let mut peers = Vec::new();
    for (option, engine) in named {
        match engine {
            Some(engine) => peers.push(engine),
            None => println!("absent: {option} (no --{option})"),
        }
    }
    peers
}

fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}
