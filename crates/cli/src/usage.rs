//! What is said about wrong arguments, and help for groups, in docker's words.

use crate::command::{Entry, Leaf, Node, Takes};
use crate::failure::Failure;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::fmt::Write;

/// The usage line of a command.
fn usage(path: &str, arguments: &str) -> String {
    format!("Usage:  {path} {arguments}").trim_end().to_owned()
}

/// COMPAT: a wrong flag is status 125, a wrong number of arguments is 1.
pub(crate) fn wrong_arguments(path: &str, leaf: &Leaf, error: &clap::Error) -> Failure {
    let about_flags = |words: String| {
        Failure::text(
            125,
            format!(
                "{words}\n\n{}\n\nRun '{path} --help' for more information",
                usage(path, leaf.usage)
            ),
        )
    };
    let subject = subject(error);
    match error.kind() {
        ErrorKind::UnknownArgument if !subject.starts_with('-') => wrong_number(path, leaf),
        ErrorKind::MissingRequiredArgument
        | ErrorKind::TooManyValues
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::TooFewValues => wrong_number(path, leaf),
        ErrorKind::UnknownArgument => about_flags(unknown_flag(&subject)),
        ErrorKind::InvalidValue if value(error).is_empty() => {
            about_flags(format!("flag needs an argument: {}", flag(&subject)))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error)
                .map_or_else(|| "not one of the known values".into(), ToString::to_string);
            about_flags(format!(
                "invalid argument {:?} for {:?} flag: {reason}",
                value(error),
                flag(&subject),
            ))
        }
        _ => about_flags(error.render().to_string().trim_end().to_owned()),
    }
}

fn wrong_number(path: &str, leaf: &Leaf) -> Failure {
    let complaint = leaf.takes.complaint();
    let see = match leaf.takes {
        Takes::None => "Run",
        _ => "See",
    };
    Failure::text(
        1,
        format!(
            "corten: '{path}' {complaint}\n\n{}\n\n{see} '{path} --help' for more information",
            usage(path, leaf.usage)
        ),
    )
}

fn unknown_flag(subject: &str) -> String {
    match subject.strip_prefix("--") {
        Some(_) => format!("unknown flag: {subject}"),
        None => format!("unknown shorthand flag: {subject}"),
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn subject(error: &clap::Error) -> String {
    text(error, ContextKind::InvalidArg)
}

fn value(error: &clap::Error) -> String {
    text(error, ContextKind::InvalidValue)
}

/// `--memory` of `--memory <bytes>`.
fn flag(subject: &str) -> &str {
    subject.split([' ', '=', '[']).next().unwrap_or(subject)
}

/// There is no such command.
pub(crate) fn unknown_command(path: &str, name: &str) -> Failure {
    Failure::text(
        1,
        format!(
            "corten: unknown command: {path} {name}\n\nRun '{path} --help' for more information"
        ),
    )
}

/// What `corten GROUP` prints.
pub(crate) fn group(path: &str, about: &str, entries: &[Entry]) -> String {
    let mut help = format!("Usage:  {path} COMMAND\n\n{about}\n\nCommands:\n");
    list(&mut help, entries.iter());
    let _infallible = write!(
        help,
        "\nRun '{path} COMMAND --help' for more information on a command.\n"
    );
    help
}

/// The commands, one a line.
pub(crate) fn list<'a>(help: &mut String, entries: impl Iterator<Item = &'a Entry>) {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|entry| entry.name);
    let width = entries.iter().map(|entry| entry.name.len()).max();
    let width = width.unwrap_or(0).max(9);
    for entry in entries {
        let _infallible = writeln!(help, "  {:width$}   {}", entry.name, entry.about);
    }
}

/// What `corten` prints.
pub(crate) fn root(entries: &[Entry], common: &[&str]) -> String {
    let mut help =
        String::from("Usage:  corten [OPTIONS] COMMAND\n\nRuns containers.\n\nCommon Commands:\n");
    let is_common = |entry: &&Entry| common.contains(&entry.name);
    let is_group = |entry: &&Entry| matches!(entry.node, Node::Group(_));
    list(&mut help, entries.iter().filter(is_common));
    help.push_str("\nManagement Commands:\n");
    list(&mut help, entries.iter().filter(is_group));
    help.push_str("\nCommands:\n");
    let others = entries.iter().filter(|e| !is_common(e) && !is_group(e));
    list(&mut help, others);
    help.push_str(GLOBAL_OPTIONS);
    help
}

const GLOBAL_OPTIONS: &str = "
Global Options:
  -H, --host string   Daemon socket to connect to (unix:// or tcp://)
  -v, --version       Print version information and quit
      --help          Print this text

Without a host, corten talks to its own daemon and starts it when there is none.
'corten daemon', 'corten registry' and 'corten artifact' have a --help of their own.
Run 'corten COMMAND --help' for more information on a command.
";

/// A wrong flag in front of the command.
pub(crate) fn wrong_global(words: &str) -> Failure {
    Failure::text(
        125,
        format!(
            "{words}\n\nUsage:  corten [OPTIONS] COMMAND [ARG...]\n\nRun 'corten --help' for more information"
        ),
    )
}
