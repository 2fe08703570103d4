//! What a command is: arguments, texts, and a function.

use crate::context::Context;
use crate::failure::Result;
use crate::help;
use crate::options::Words;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, builder::BoolishValueParser};
use std::mem::ManuallyDrop;

/// A command with its arguments.
pub(crate) trait Action: Args {
    /// What it does, in one line.
    const ABOUT: &'static str;
    /// The arguments as its usage line shows them.
    const USAGE: &'static str;
    /// How many positional arguments it takes.
    const TAKES: Takes = Takes::Any;
    /// Tells clap of its flags, as far as they may be among the words.
    fn add(command: Command, _words: Words<'_>) -> Command {
        Self::augment_args(command)
    }
    /// Reads what clap was told of by [`Self::add`].
    fn read(matches: &mut ArgMatches, _words: Words<'_>) -> std::result::Result<Self, clap::Error> {
        Self::from_arg_matches_mut(matches)
    }
    /// The status to exit with if the daemon refuses or the arguments are wrong.
    async fn run(self, cx: &Context) -> Result;
}

/// How many positional arguments a command takes, for the words of its complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// None.
    None,
    /// This many.
    Exactly(usize),
    /// At least so many.
    AtLeast(usize),
    /// Between these.
    Between(usize, usize),
    /// As it comes.
    Any,
}

impl Takes {
    /// docker's complaint, without the command's name.
    pub(crate) fn complaint(self) -> String {
        let arguments = |count| if count == 1 { "argument" } else { "arguments" };
        match self {
            Self::None => "accepts no arguments".into(),
            Self::Exactly(count) => format!("requires {count} {}", arguments(count)),
            Self::AtLeast(count) => format!("requires at least {count} {}", arguments(count)),
            Self::Between(low, high) => {
                format!(
                    "requires at least {low} and at most {high} {}",
                    arguments(high)
                )
            }
            Self::Any => "has wrong arguments".into(),
        }
    }
}

/// A name with what is behind it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: &'static str,
    /// Other names.
    pub(crate) aliases: &'static [&'static str],
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// What is behind it.
    pub(crate) node: Node,
}

/// What a name leads to.
#[derive(Debug)]
pub(crate) enum Node {
    /// A command.
    Leaf(Leaf),
    /// More names.
    Group(&'static [Entry]),
}

/// A command, by its functions: its arguments are only built when it is the one that runs.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// The arguments as the usage line shows them.
    pub(crate) usage: &'static str,
    /// How many positional arguments.
    pub(crate) takes: Takes,
    add: fn(Command, Words<'_>) -> Command,
    run: fn(ArgMatches, Words<'_>, &Context) -> Result,
}

/// The entry of command `A`.
pub(crate) const fn leaf<A: Action>(name: &'static str) -> Entry {
    alias::<A>(name, &[])
}

/// The entry of command `A` with other names.
pub(crate) const fn alias<A: Action>(
    name: &'static str,
    aliases: &'static [&'static str],
) -> Entry {
    Entry {
        name,
        aliases,
        about: A::ABOUT,
        node: Node::Leaf(Leaf {
            usage: A::USAGE,
            takes: A::TAKES,
            add: A::add,
            run: run::<A>,
        }),
    }
}

/// The entry of a group of commands.
pub(crate) const fn group(
    name: &'static str,
    about: &'static str,
    entries: &'static [Entry],
) -> Entry {
    Entry {
        name,
        aliases: &[],
        about,
        node: Node::Group(entries),
    }
}

fn run<A: Action>(mut matches: ArgMatches, words: Words<'_>, cx: &Context) -> Result {
    let action = A::read(&mut matches, words)
        .map_err(|error| crate::failure::Failure::text(125, error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Never taken apart: the process ends, and what is open with it. A thread may be blocked in
    // reading standard input, and the daemon would wake for each connection before we are gone.
    let runtime = ManuallyDrop::new(runtime);
    runtime.block_on(Box::pin(action.run(cx)))
}

impl Leaf {
    /// clap's command, called `path` (all names from the program's on), that reads `words`.
    pub(crate) fn command(&self, path: &str, about: &'static str, words: Words<'_>) -> Command {
        let command = Command::new("corten")
            .bin_name(path.to_owned())
            .about(about)
            .disable_help_flag(true)
            .args_override_self(true)
            .override_usage(format!("{path} {}", self.usage).trim_end().to_owned());
        (self.add)(command, words)
            .about(about)
            .mut_args(like_docker)
            .arg(
                Arg::new("help")
                    .long("help")
                    .help("Print usage")
                    .action(ArgAction::Help),
            )
    }

    /// What `--help` prints.
    pub(crate) fn help(&self, path: &str, about: &'static str) -> String {
        help::text(path, self.usage, &self.command(path, about, Words::Any))
    }

    /// Runs it.
    pub(crate) fn run(&self, matches: ArgMatches, words: Words<'_>, cx: &Context) -> Result {
        (self.run)(matches, words, cx)
    }
}

/// COMPAT: `--rm=false` is understood, and the token after a flag with a value is its value
/// whatever it looks like (`--memory-swap -1`).
fn like_docker(arg: Arg) -> Arg {
    if arg.is_positional() {
        return arg;
    }
    match arg.get_action() {
        ArgAction::SetTrue => switch(arg).default_value("false"),
        ArgAction::SetFalse => switch(arg).default_value("true"),
        ArgAction::Set | ArgAction::Append if arg.get_num_args().is_none() => {
            arg.allow_hyphen_values(true).hide_possible_values(true)
        }
        _ => arg,
    }
}

fn switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(BoolishValueParser::new())
        .hide_possible_values(true)
        .hide_default_value(true)
        .value_name("")
}
