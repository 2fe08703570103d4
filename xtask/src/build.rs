//! Building the workspace, and finding what was built.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// `cargo` with these arguments, at the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    // What cargo tells of xtask's own package. Build scripts of others watch these variables,
    // and would build all above them again whenever cargo was started from here.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.args(arguments).current_dir(root());
    command
}

/// Runs `command` to its end; its failure is an error that names it.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// The folder of the executables to time: the one that is given, or what is built now.
pub(crate) fn release_unless(given: Option<&Path>) -> Result<PathBuf> {
    given.map_or_else(release, |given| Ok(given.to_owned()))
}

/// Builds every executable optimised, and returns the folder they are in.
pub(crate) fn release() -> Result<PathBuf> {
    succeed(&mut cargo(&[
        "build",
        "--release",
        "--bins",
        "--workspace",
        "--exclude",
        "xtask",
    ]))?;
    directory("release")
}

/// The folder of what was built in a profile: `debug` or `release`.
pub(crate) fn directory(profile: &str) -> Result<PathBuf> {
    // The explicit target in .cargo/config.toml adds its name to the path.
    Ok(target_directory()?.join(host()?).join(profile))
}

pub(crate) fn target_directory() -> Result<PathBuf> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let directory = metadata["target_directory"]
        .as_str()
        .context("cargo names no target directory")?;
    Ok(PathBuf::from(directory))
}

pub(crate) fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc names no host")?.to_owned())
}
