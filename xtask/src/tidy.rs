//! The rules of the house that a machine can check.

use crate::build::{cargo, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// No room may be called so: such a name says nothing of what is in it.
const FORBIDDEN: &[&str] = &[
    "utils.rs",
    "util.rs",
    "common.rs",
    "helpers.rs",
    "helper.rs",
    "manager.rs",
    "misc.rs",
    "mod.rs",
];
/// Lines above which a file needs a reason; tables are exempt by being listed.
const LONG: usize = 700;
/// Files of uniform tables.
const TABLES: &[&str] = &["crates/seccomp/src/syscalls/"];
/// Edges inside one layer that are wanted.
const SIDEWAYS: &[(&str, &str)] = &[
    // What registries send is foreign.
    ("registry", "unpack"),
];

/// Checks all rules and names every breach.
pub(crate) fn run() -> Result<()> {
    let mut breaches = Vec::new();
    layers(&mut breaches)?;
    files(&mut breaches)?;
    profiles(&mut breaches)?;
    if breaches.is_empty() {
        return Ok(());
    }
    bail!("the house rules are broken:\n  {}", breaches.join("\n  "))
}

/// Arrows only point down.
fn layers(breaches: &mut Vec<String>) -> Result<()> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    let layer = |package: &Value| package["metadata"]["layer"].as_u64();
    let known: BTreeMap<&str, Option<u64>> = packages
        .iter()
        .filter_map(|p| Some((p["name"].as_str()?, layer(p))))
        .collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(own) = layer(package) else {
            if name != "xtask" {
                breaches.push(format!("{name}: its manifest names no layer"));
            }
            continue;
        };
        let normal = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|d| d["kind"] != "dev");
        for dependency in normal.filter_map(|d| d["name"].as_str()) {
            let Some(Some(below)) = known.get(dependency) else {
                continue;
            };
            if *below >= own && !SIDEWAYS.contains(&(name, dependency)) {
                breaches.push(format!(
                    "{name} (layer {own}) must not use {dependency} (layer {below})"
                ));
            }
        }
    }
    Ok(())
}

/// What is shipped has no guard that could be dropped: see `container::Guard`.
fn profiles(breaches: &mut Vec<String>) -> Result<()> {
    let path = root().join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).context("read Cargo.toml")?;
    if manifest.contains("debug-assertions") {
        let rule = "Cargo.toml: no profile turns debug assertions on, which make guards droppable";
        breaches.push(rule.to_owned());
    }
    Ok(())
}

/// Names, lengths and the head of each file.
fn files(breaches: &mut Vec<String>) -> Result<()> {
    let output = Command::new("git")
        .args(["ls-files", "*.rs"])
        .current_dir(root())
        .output()?;
    for path in String::from_utf8(output.stdout)?.lines().map(PathBuf::from) {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        file(&path, &text, breaches);
    }
    Ok(())
}

fn file(path: &Path, text: &str, breaches: &mut Vec<String>) {
    let shown = path.display().to_string();
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if FORBIDDEN.contains(&name) {
        breaches.push(format!("{shown}: a file needs the name of what is in it"));
    }
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = code.lines().count();
    if lines > LONG && !TABLES.iter().any(|table| shown.starts_with(table)) {
        breaches.push(format!("{shown}: {lines} lines; split it above {LONG}"));
    }
    let is_test = shown.contains("/tests/") || shown.ends_with("tests.rs");
    if !is_test && !text.starts_with("//!") && !text.starts_with("#!") {
        breaches.push(format!(
            "{shown}: begin with a sentence (//!) that says what it is"
        ));
    }
}
