//! A drop-in for runc: the same commands, flags, files, messages and exit codes.
//!
//! It knows runc's command line and keeps a container's state in a directory. It must not know
//! how a container is made: that is `container`'s. Read first: `commands`, `store`, `status`.
#![cfg_attr(not(test), no_main)]

mod arguments;
mod capabilities;
mod commands;
mod console;
mod foreground;
mod log;
mod name;
mod sealed;
mod status;
mod store;

use anyhow::{Result, bail};
use arguments::{Arguments, Flag, Until, switch, value};
use commands::Context;
use std::path::PathBuf;

const GLOBAL: [Flag; 8] = [
    switch("debug"),
    value("log"),
    value("log-format"),
    value("root"),
    switch("systemd-cgroup"),
    value("rootless"),
    switch("help").or("h"),
    switch("version").or("v"),
];

sys::main!(program);

fn program() -> u8 {
    let line: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match run(&line) {
        Ok(code) => code,
        Err(error) => {
            log::fatal(&error);
            // COMPAT: runc's exec leaves the whole range of codes to the program but this one.
            let exec = error.downcast_ref::<commands::exec::Failed>().is_some();
            if exec { 255 } else { 1 }
        }
    }
}

fn run(line: &[String]) -> Result<u8> {
    let global = Arguments::parse(line, &GLOBAL, Until::FirstWord)?;
    log::open(
        global.find("log"),
        global.find("log-format"),
        global.on("debug"),
    )?;
    if global.on("version") {
        return commands::version();
    }
    log::debug(&format!("{} {}", name::of_program(), line.join(" ")));
    let Some((name, rest)) = global.words.split_first().filter(|_| !global.on("help")) else {
        return commands::help();
    };
    let context = Context {
        root: root(&global)?,
        root_given: global.find("root").is_some(),
        systemd: global.on("systemd-cgroup"),
        rootless: rootless(&global)?,
    };
    commands::run(&context, name, rest)
}

/// `--root`, else `/run/runc` of our own name, else that of the user's own runtime directory.
fn root(global: &Arguments) -> Result<PathBuf> {
    if let Some(root) = global.find("root") {
        let root = std::path::absolute(if root.is_empty() { "." } else { root })?;
        if root == std::path::Path::new("/") {
            bail!("Option --root argument should not be set to /");
        }
        return Ok(root);
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
    Ok(match own {
        Some(own) => PathBuf::from(own).join("corten-runtime"),
        None => PathBuf::from("/run/corten-runtime"),
    })
}

/// Whether errors of cgroups are overlooked.
fn rootless(global: &Arguments) -> Result<bool> {
    match global.find("rootless").unwrap_or("auto") {
        "" | "auto" => Ok(!rustix::process::geteuid().is_root()),
        "true" | "1" | "t" => Ok(true),
        "false" | "0" | "f" => Ok(false),
        other => bail!("invalid value {other:?} for --rootless"),
    }
}
