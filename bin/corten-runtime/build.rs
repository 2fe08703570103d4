//! Names the entry that seals the program before anything else of it runs, and the commit that
//! the program is built from.

#[path = "../build.rs"]
mod often_started;

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    often_started::main();
    // The name of `sys::seal::ENTRY`, which a build script cannot ask for.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,--entry=corten_sealed_start");
    }
    let commit = git(&["rev-parse", "--short=9", "HEAD"]);
    if let Some(log) = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-env-changed=CORTEN_COMMIT");
    // Who builds without a repository can say what it is built from.
    let commit = env::var("CORTEN_COMMIT").ok().or(commit);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=CORTEN_COMMIT={commit}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
