//! Every command's help, as people read it.

use std::process::Command;
use testing::{Ran, binary};

fn corten(args: &[&str]) -> Ran {
    let mut command = Command::new(binary("corten"));
    command.env_clear().args(args);
    testing::run(command)
}

/// The names under `Commands:` and the like.
fn names(help: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut listing = false;
    for line in help.lines() {
        if line.ends_with("ommands:") {
            listing = true;
        } else if line.is_empty() || line.ends_with(':') {
            listing = false;
        } else if listing {
            names.extend(line.split_whitespace().next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn the_help_of_every_command_is_as_it_was_read_last() {
    let root = corten(&["--help"]).success().text();
    let mut all = format!("$ corten --help\n{root}");
    for name in names(&root) {
        let help = corten(&[&name, "--help"]).success().text();
        all.push_str(&format!("\n$ corten {name} --help\n{help}"));
        for inner in names(&help) {
            let help = corten(&[&name, &inner, "--help"]).success().text();
            let usage = help
                .lines()
                .find(|line| line.starts_with("Usage:"))
                .unwrap();
            all.push_str(&format!("\n$ corten {name} {inner} --help\n{usage}\n"));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn help_is_found_in_every_way_that_people_look_for_it() {
    let expected = corten(&["run", "--help"]).success().text();
    assert_eq!(corten(&["help", "run"]).success().text(), expected);
    assert!(expected.contains("Usage:"), "{expected}");
    assert_eq!(
        corten(&[]).success().text(),
        corten(&["--help"]).success().text()
    );
    assert_eq!(
        corten(&["container"]).success().text(),
        corten(&["container", "--help"]).success().text()
    );
}

#[test]
fn scripts_for_shells_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = corten(&["completion", shell]).success().text();
        for word in ["pids-limit", "inspect", "doctor"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
