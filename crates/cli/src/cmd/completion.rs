//! `completion`: for shells.

use crate::command::{Action, Node, Takes};
use crate::commands;
use crate::context::Context;
use crate::failure::Result;
use crate::options::Words;
use crate::output;
use clap::Command;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct Completion {
    /// The shell to complete in
    #[arg(required = true, value_enum)]
    shell: Shell,
}

impl Action for Completion {
    const ABOUT: &'static str = "Print a script that completes corten's commands in a shell";
    const USAGE: &'static str = "bash|zsh|fish|elvish|powershell";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, _: &Context) -> Result {
        let mut root = tree("corten", "corten");
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut root, "corten", &mut script);
        output::text(&String::from_utf8_lossy(&script))?;
        Ok(0)
    }
}

/// All commands below `path`, as clap sees them.
fn tree(path: &str, name: &str) -> Command {
    let mut command = Command::new(name.to_owned());
    for (below, entry) in commands::every() {
        let parent = below.rsplit_once(' ').map(|(parent, _)| parent);
        if parent != Some(path) {
            continue;
        }
        command = command.subcommand(match &entry.node {
            Node::Group(_) => tree(&below, entry.name).about(entry.about),
            Node::Leaf(leaf) => leaf
                .command(&below, entry.about, Words::Any)
                .name(entry.name),
        });
    }
    command
}
