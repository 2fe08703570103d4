//! A command's help in the form of docker's: usage, what it does, options.

use clap::{Arg, Command};
use std::fmt::Write;

/// Lines end before this column.
const WIDTH: usize = 80;
/// At least so many columns are for the text of an option.
const TEXT: usize = 28;

/// The help of `command`, which is called `path` and takes `arguments`.
pub(crate) fn text(path: &str, arguments: &str, command: &Command) -> String {
    let usage = format!("Usage:  {path} {arguments}");
    let mut help = format!("{}\n", usage.trim_end());
    if let Some(about) = command.get_about() {
        let _infallible = writeln!(help, "\n{about}");
    }
    let options: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set())
        .collect();
    let width = options.iter().map(|arg| label(arg).len()).max();
    let column = (width.unwrap_or(0) + 3).min(WIDTH - TEXT);
    for heading in headings(&options) {
        let _infallible = writeln!(help, "\n{}:", heading.unwrap_or("Options"));
        let of = options
            .iter()
            .filter(|arg| arg.get_help_heading() == heading);
        let mut of: Vec<_> = of.collect();
        of.sort_by_key(|arg| arg.get_long());
        for arg in of {
            help.push_str(&option(arg, column));
        }
    }
    help
}

/// Each heading once, in the order of the options; those without one first.
fn headings<'a>(options: &[&'a Arg]) -> Vec<Option<&'a str>> {
    let mut headings = vec![None];
    for arg in options {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    headings
}

/// `  -m, --memory bytes`
fn label(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    let name = match arg.get_value_names() {
        Some([name, ..]) if !name.is_empty() && takes_value(arg) => format!(" {name}"),
        _ => String::new(),
    };
    match arg.get_short() {
        Some(short) => format!("  -{short}, --{long}{name}"),
        None => format!("      --{long}{name}"),
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn option(arg: &Arg, column: usize) -> String {
    let mut words = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = arg.get_default_values().first().and_then(|v| v.to_str());
    if let Some(default) = default.filter(|_| takes_value(arg) && !arg.is_hide_default_value_set())
    {
        let quoted = match default.parse::<i64>() {
            Ok(_) => default.to_owned(),
            Err(_) => format!("{default:?}"),
        };
        let _infallible = write!(words, " (default {quoted})");
    }
    let label = label(arg);
    let mut text = String::new();
    let mut line = match label.len() + 2 > column {
        true => {
            let _infallible = writeln!(text, "{label}");
            " ".repeat(column)
        }
        false => format!("{label:column$}"),
    };
    let mut fresh = true;
    for word in words.split(' ') {
        if !fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _infallible = writeln!(text, "{line}");
            line = " ".repeat(column);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    let _infallible = writeln!(text, "{line}");
    text
}
