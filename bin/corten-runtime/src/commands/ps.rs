//! `ps`: the container's processes.

use super::{Context, pause, print};
use crate::arguments::{Arguments, Flag, value};
use anyhow::{Context as _, Result, bail};
use std::process::Command;

pub(super) const FLAGS: &[Flag] = &[value("format").or("f")];

pub(super) fn ps(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (_, record) = context.container(arguments)?;
    let pids = pause::cgroup(&record)?.pids()?;
    match arguments.find("format").unwrap_or("table") {
        "table" => print(&table(&pids, &arguments.words[1..])?)?,
        "json" => print(&format!("{}\n", serde_json::to_string(&pids)?))?,
        _ => bail!("invalid format option"),
    }
    Ok(0)
}

/// The lines of the host's `ps` that are about these processes.
fn table(pids: &[i32], options: &[String]) -> Result<String> {
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() {
        &default
    } else {
        options
    };
    let output = Command::new("ps")
        .args(options)
        .output()
        .context("run ps")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ps: {}: {text}{said}", output.status);
    }
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading.split_whitespace().position(|word| word == "PID");
    let column = column.context("couldn't find PID field in ps output")?;
    let mut kept = format!("{heading}\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let pid = line.split_whitespace().nth(column);
        let pid: i32 = pid
            .and_then(|word| word.parse().ok())
            .context("unable to parse pid")?;
        if pids.contains(&pid) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(kept)
}
