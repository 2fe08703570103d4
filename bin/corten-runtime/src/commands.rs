//! runc's commands, one file each or a few that are alike.

mod checkpoint;
mod create;
mod delete;
mod events;
pub(crate) mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod restore;
mod spec;
mod start;
mod state;
mod update;

use crate::arguments::{Arguments, Flag, Until};
use crate::store::{Place, Record, Store};
use anyhow::{Result, bail};
use std::io::Write;
use std::path::PathBuf;

/// What the global flags say.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) root: PathBuf,
    pub(crate) root_given: bool,
    pub(crate) systemd: bool,
    pub(crate) rootless: bool,
}

/// A command: its name, flags, where they end, how many words it takes, and what it does.
struct Command {
    name: &'static str,
    usage: &'static str,
    flags: &'static [Flag],
    until: Until,
    words: (usize, usize),
    run: fn(&Context, &Arguments) -> Result<u8>,
}

const ANY: usize = usize::MAX;

const COMMANDS: [Command; 18] = [
    command(
        "checkpoint",
        "checkpoint a running container",
        checkpoint::FLAGS,
        (1, 1),
        checkpoint::checkpoint,
    ),
    command(
        "create",
        "create a container",
        create::CREATE_FLAGS,
        (1, 1),
        create::create,
    ),
    command(
        "delete",
        "delete any resources held by the container",
        delete::FLAGS,
        (1, 1),
        delete::delete,
    ),
    command(
        "events",
        "display container events such as OOM notifications and resource usage",
        events::FLAGS,
        (1, 1),
        events::events,
    ),
    Command {
        until: Until::FirstWord,
        ..command(
            "exec",
            "execute new process inside the container",
            exec::FLAGS,
            (1, ANY),
            exec::exec,
        )
    },
    command(
        "features",
        "show the enabled features",
        &[],
        (0, 0),
        features::features,
    ),
    Command {
        until: Until::FirstWord,
        ..command(
            "kill",
            "send a signal to the container's init process",
            kill::FLAGS,
            (1, 2),
            kill::kill,
        )
    },
    command("list", "list containers", list::FLAGS, (0, 0), list::list),
    command(
        "pause",
        "suspend all processes inside the container",
        &[],
        (1, 1),
        pause::pause,
    ),
    Command {
        until: Until::FirstWord,
        ..command(
            "ps",
            "display the processes running inside a container",
            ps::FLAGS,
            (1, ANY),
            ps::ps,
        )
    },
    command(
        "restore",
        "restore a container from a checkpoint",
        restore::FLAGS,
        (1, 1),
        restore::restore,
    ),
    command(
        "resume",
        "resume all processes that have been paused",
        &[],
        (1, 1),
        pause::resume,
    ),
    command(
        "run",
        "create and run a container",
        create::RUN_FLAGS,
        (1, 1),
        create::run,
    ),
    command(
        "spec",
        "create a new specification file",
        spec::FLAGS,
        (0, 0),
        spec::spec,
    ),
    command(
        "start",
        "execute the user's program in a created container",
        &[],
        (1, 1),
        start::start,
    ),
    command(
        "state",
        "output the state of a container",
        &[],
        (1, 1),
        state::state,
    ),
    command(
        "update",
        "update container resource constraints",
        update::FLAGS,
        (1, 1),
        update::update,
    ),
    command("help", "show this", &[], (0, ANY), |_, _| help()),
];

const fn command(
    name: &'static str,
    usage: &'static str,
    flags: &'static [Flag],
    words: (usize, usize),
    run: fn(&Context, &Arguments) -> Result<u8>,
) -> Command {
    Command {
        name,
        usage,
        flags,
        until: Until::End,
        words,
        run,
    }
}

/// Runs a command by name.
pub(crate) fn run(context: &Context, name: &str, line: &[String]) -> Result<u8> {
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        bail!("No help topic for '{name}'");
    };
    let line_help = matches!(
        line.first().map(String::as_str),
        Some("-h" | "--help" | "-help")
    );
    if line_help {
        return usage(command);
    }
    let arguments = Arguments::parse(line, command.flags, command.until)?;
    let (least, most) = command.words;
    let count = arguments.words.len();
    let requires = match () {
        () if count < least && most == least => Some(("exactly", least)),
        () if count > most && most == least => Some(("exactly", most)),
        () if count < least => Some(("a minimum of", least)),
        () if count > most => Some(("a maximum of", most)),
        () => None,
    };
    if let Some((how, number)) = requires {
        print("Incorrect Usage.\n\n")?;
        usage(command)?;
        let program = crate::name::of_program();
        bail!("{program}: {name:?} requires {how} {number} argument(s)");
    }
    (command.run)(context, &arguments)
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

pub(crate) fn version() -> Result<u8> {
    let (version, spec) = (env!("CARGO_PKG_VERSION"), oci::runtime::VERSION);
    let (program, commit) = (crate::name::of_program(), env!("CORTEN_COMMIT"));
    print(&format!(
        "{program} version {version}\ncommit: {commit}\nspec: {spec}\n"
    ))?;
    Ok(0)
}

pub(crate) fn help() -> Result<u8> {
    let program = crate::name::of_program();
    let mut text = format!(
        "NAME:\n   {program} - Open Container Initiative runtime\n\nUSAGE:\n   \
         {program} [global options] command [command options] [arguments...]\n\nCOMMANDS:\n"
    );
    for command in &COMMANDS {
        text.push_str(&format!("   {:<12}{}\n", command.name, command.usage));
    }
    text.push_str("\nGLOBAL OPTIONS:\n");
    text.push_str(&flags(&crate::GLOBAL));
    print(&text)?;
    Ok(0)
}

fn usage(command: &Command) -> Result<u8> {
    let text = format!(
        "NAME:\n   {} {} - {}\n\nOPTIONS:\n{}",
        crate::name::of_program(),
        command.name,
        command.usage,
        flags(command.flags)
    );
    print(&text)?;
    Ok(0)
}

fn flags(flags: &[Flag]) -> String {
    let line = |flag: &Flag| {
        let alias = match flag.alias {
            "" => String::new(),
            alias => format!(", -{alias}"),
        };
        let value = match flag.takes {
            crate::arguments::Takes::Value => " value",
            crate::arguments::Takes::Switch => "",
        };
        format!("   --{}{alias}{value}\n", flag.name)
    };
    flags.iter().map(line).collect()
}

impl Context {
    /// All containers.
    pub(crate) fn store(&self) -> Store {
        Store::new(self.root.clone())
    }

    /// The container that the first word names.
    pub(crate) fn container(&self, arguments: &Arguments) -> Result<(Place, Record)> {
        self.store().load(&arguments.words[0])
    }
}
