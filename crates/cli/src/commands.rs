//! The list of all commands, and how one is found.

use crate::cmd::{
    attach, commit, completion, cp, create, diff, events, exec, export, history, image_inspect,
    image_list, image_prune, image_remove, import, info, inspect, kill, list, load, login, logout,
    logs, pause, port, prune, pull, push, remove, rename, restart, run, save, search, start, stats,
    stop, system_df, system_doctor, system_prune, tag, top, unpause, update, version, wait,
};
use crate::cmd::{
    network_connect, network_create, network_disconnect, network_inspect, network_list,
    network_prune, network_remove, volume_create, volume_inspect, volume_list, volume_prune,
    volume_remove,
};
use crate::command::{Entry, Leaf, Node, alias, group, leaf};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::options::Words;
use crate::{output, usage};
use std::ffi::OsString;
use std::mem::ManuallyDrop;

const COMMON: &[&str] = &["run", "exec", "ps", "pull", "images", "version", "info"];

const COMMANDS: &[Entry] = &[
    leaf::<attach::Attach>("attach"),
    leaf::<commit::Commit>("commit"),
    leaf::<completion::Completion>("completion"),
    group("container", "Manage containers", CONTAINER),
    leaf::<cp::Copy>("cp"),
    leaf::<create::Create>("create"),
    leaf::<diff::Diff>("diff"),
    leaf::<events::Events>("events"),
    leaf::<exec::Exec>("exec"),
    leaf::<export::Export>("export"),
    leaf::<history::History>("history"),
    group("image", "Manage images", IMAGE),
    leaf::<image_list::ImageList>("images"),
    leaf::<import::Import>("import"),
    leaf::<info::Info>("info"),
    leaf::<inspect::Inspect>("inspect"),
    leaf::<kill::Kill>("kill"),
    leaf::<load::Load>("load"),
    leaf::<login::Login>("login"),
    leaf::<logout::Logout>("logout"),
    leaf::<logs::Logs>("logs"),
    group("network", "Manage networks", NETWORK),
    leaf::<pause::Pause>("pause"),
    leaf::<port::Port>("port"),
    leaf::<list::List>("ps"),
    leaf::<pull::Pull>("pull"),
    leaf::<push::Push>("push"),
    leaf::<rename::Rename>("rename"),
    leaf::<restart::Restart>("restart"),
    leaf::<remove::Remove>("rm"),
    leaf::<image_remove::ImageRemove>("rmi"),
    leaf::<run::Run>("run"),
    leaf::<save::Save>("save"),
    leaf::<search::Search>("search"),
    leaf::<start::Start>("start"),
    leaf::<stats::Stats>("stats"),
    leaf::<stop::Stop>("stop"),
    group("system", "Manage corten", SYSTEM),
    leaf::<tag::Tag>("tag"),
    leaf::<top::Top>("top"),
    leaf::<unpause::Unpause>("unpause"),
    leaf::<update::Update>("update"),
    leaf::<version::Version>("version"),
    group("volume", "Manage volumes", VOLUME),
    leaf::<wait::Wait>("wait"),
];

const CONTAINER: &[Entry] = &[
    leaf::<attach::Attach>("attach"),
    leaf::<commit::Commit>("commit"),
    leaf::<cp::Copy>("cp"),
    leaf::<create::Create>("create"),
    leaf::<diff::Diff>("diff"),
    leaf::<exec::Exec>("exec"),
    leaf::<export::Export>("export"),
    leaf::<inspect::ContainerInspect>("inspect"),
    leaf::<kill::Kill>("kill"),
    leaf::<logs::Logs>("logs"),
    alias::<list::List>("ls", &["list", "ps"]),
    leaf::<pause::Pause>("pause"),
    leaf::<port::Port>("port"),
    leaf::<prune::Prune>("prune"),
    leaf::<rename::Rename>("rename"),
    leaf::<restart::Restart>("restart"),
    alias::<remove::Remove>("rm", &["remove"]),
    leaf::<run::Run>("run"),
    leaf::<start::Start>("start"),
    leaf::<stats::Stats>("stats"),
    leaf::<stop::Stop>("stop"),
    leaf::<top::Top>("top"),
    leaf::<unpause::Unpause>("unpause"),
    leaf::<update::Update>("update"),
    leaf::<wait::Wait>("wait"),
];

const IMAGE: &[Entry] = &[
    leaf::<history::History>("history"),
    leaf::<import::Import>("import"),
    leaf::<image_inspect::ImageInspect>("inspect"),
    leaf::<load::Load>("load"),
    alias::<image_list::ImageList>("ls", &["list"]),
    leaf::<image_prune::ImagePrune>("prune"),
    leaf::<pull::Pull>("pull"),
    leaf::<push::Push>("push"),
    alias::<image_remove::ImageRemove>("rm", &["remove"]),
    leaf::<save::Save>("save"),
    leaf::<tag::Tag>("tag"),
];

const NETWORK: &[Entry] = &[
    leaf::<network_connect::NetworkConnect>("connect"),
    leaf::<network_create::NetworkCreate>("create"),
    leaf::<network_disconnect::NetworkDisconnect>("disconnect"),
    leaf::<network_inspect::NetworkInspect>("inspect"),
    alias::<network_list::NetworkList>("ls", &["list"]),
    leaf::<network_prune::NetworkPrune>("prune"),
    alias::<network_remove::NetworkRemove>("rm", &["remove"]),
];

const VOLUME: &[Entry] = &[
    leaf::<volume_create::VolumeCreate>("create"),
    leaf::<volume_inspect::VolumeInspect>("inspect"),
    alias::<volume_list::VolumeList>("ls", &["list"]),
    leaf::<volume_prune::VolumePrune>("prune"),
    alias::<volume_remove::VolumeRemove>("rm", &["remove"]),
];

const SYSTEM: &[Entry] = &[
    leaf::<system_df::SystemDf>("df"),
    leaf::<system_doctor::SystemDoctor>("doctor"),
    leaf::<events::Events>("events"),
    leaf::<info::Info>("info"),
    leaf::<system_prune::SystemPrune>("prune"),
];

/// Every command with its whole path, for help and completion.
pub(crate) fn every() -> Vec<(String, &'static Entry)> {
    fn walk(path: &str, entries: &'static [Entry], found: &mut Vec<(String, &'static Entry)>) {
        for entry in entries {
            let path = format!("{path} {}", entry.name);
            if let Node::Group(entries) = entry.node {
                walk(&path, entries, found);
            }
            found.push((path, entry));
        }
    }
    let mut found = Vec::new();
    walk("corten", COMMANDS, &mut found);
    found
}

/// What stands in front of the command.
#[derive(Debug, Default)]
struct Global {
    host: Option<String>,
    version: bool,
    help: bool,
}

/// Finds and runs the command that `args` name.
pub(crate) fn run(args: Vec<OsString>) -> Result {
    let mut args = args.into_iter().skip(1).peekable();
    let mut global = Global::default();
    while let Some(flag) = args.next_if(is_flag) {
        read_global(&mut global, &flag.to_string_lossy(), &mut args)?;
    }
    if global.version {
        output::line(concat!("corten version ", env!("CARGO_PKG_VERSION")))?;
        return Ok(0);
    }
    let cx = Context::new(global.host.as_deref());
    let (mut path, mut about, mut entries) = (String::from("corten"), "", COMMANDS);
    loop {
        let help = |name: &OsString| name == "help" || name == "--help" || name == "-h";
        let Some(name) = args.next().filter(|name| !global.help && !help(name)) else {
            return show(&path, about, entries, args.next());
        };
        let name = name.to_string_lossy();
        let matches = |entry: &&Entry| entry.name == name || entry.aliases.contains(&&*name);
        let Some(entry) = entries.iter().find(matches) else {
            return Err(usage::unknown_command(&path, &name));
        };
        path = format!("{path} {}", entry.name);
        match &entry.node {
            Node::Group(inner) => (about, entries) = (entry.about, inner),
            Node::Leaf(leaf) => return run_leaf(&path, entry.about, leaf, args, cx),
        }
    }
}

fn is_flag(arg: &OsString) -> bool {
    arg.as_encoded_bytes().starts_with(b"-")
}

fn read_global(
    global: &mut Global,
    flag: &str,
    rest: &mut impl Iterator<Item = OsString>,
) -> Result<()> {
    let mut needs = |flag: &str| {
        rest.next()
            .map(|value| value.to_string_lossy().into_owned())
            .ok_or_else(|| usage::wrong_global(&format!("flag needs an argument: {flag}")))
    };
    match (flag, flag.split_once('=')) {
        ("-H" | "--host", _) => global.host = Some(needs(flag)?),
        (_, Some(("--host" | "-H", host))) => global.host = Some(host.to_owned()),
        ("-v" | "--version", _) => global.version = true,
        ("--help" | "-h", _) => global.help = true,
        // COMPAT: scripts give these; nothing here depends on them.
        ("-D" | "--debug", _) => {}
        ("-l" | "--log-level" | "--config", _) => drop(needs(flag)?),
        (_, Some(("--log-level" | "--config" | "--debug", _))) => {}
        ("-c" | "--context", _) => context(&needs(flag)?)?,
        (_, Some(("--context" | "-c", name))) => context(name)?,
        (_, None) if flag.len() > 2 && flag.starts_with("-H") => {
            global.host = Some(flag.chars().skip(2).collect());
        }
        _ if flag.starts_with("--tls") => {
            return Err(usage::wrong_global(&format!(
                "{flag}: TLS to the daemon is not supported; use a Unix socket, or ssh's forwarding of one"
            )));
        }
        _ => return Err(usage::wrong_global(&format!("unknown flag: {flag}"))),
    }
    Ok(())
}

fn context(name: &str) -> Result<()> {
    match name {
        "default" | "" => Ok(()),
        _ => Err(Failure::text(
            1,
            format!("context {name:?} is unknown: contexts are not supported; use -H"),
        )),
    }
}

/// `corten`, `corten GROUP`, and `corten help COMMAND`.
fn show(path: &str, about: &str, entries: &[Entry], of: Option<OsString>) -> Result {
    let Some(name) = of else {
        let text = match about {
            "" => usage::root(entries, COMMON),
            about => usage::group(path, about, entries),
        };
        output::text(&text)?;
        return Ok(0);
    };
    let name = name.to_string_lossy();
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        return Err(usage::unknown_command(path, &name));
    };
    let path = format!("{path} {}", entry.name);
    let text = match &entry.node {
        Node::Group(entries) => usage::group(&path, entry.about, entries),
        Node::Leaf(leaf) => leaf.help(&path, entry.about),
    };
    output::text(&text)?;
    Ok(0)
}

fn run_leaf(
    path: &str,
    about: &'static str,
    leaf: &Leaf,
    args: impl Iterator<Item = OsString>,
    cx: Result<Context>,
) -> Result {
    let args: Vec<OsString> = args.collect();
    let words = Words::Given(&args);
    // It takes longer to take apart than the process lives.
    let mut command = ManuallyDrop::new(leaf.command(path, about, words));
    let name = OsString::from("corten");
    match command.try_get_matches_from_mut(std::iter::once(&name).chain(&args)) {
        Ok(matches) => leaf.run(matches, words, &cx?),
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            output::text(&leaf.help(path, about))?;
            Ok(0)
        }
        Err(error) => Err(usage::wrong_arguments(path, leaf, &error)),
    }
}
