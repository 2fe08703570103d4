//! The executables under test: built once, found where the test's own executable lies.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PACKAGES: [&str; 10] = [
    "corten",
    "corten-daemon",
    "corten-shim",
    "corten-unpack",
    "corten-proxy",
    "corten-rootless",
    "corten-hello",
    "corten-init",
    "corten-runtime",
    "corten-fault",
];

/// The path of one of corten's executables.
pub fn binary(name: &str) -> PathBuf {
    directory().join(name)
}

/// Where the executables are: `CORTEN_BINARIES`, else the profile's directory, after building.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match std::env::var_os("CORTEN_BINARIES") {
        Some(directory) => directory.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("this executable has a path");
    // target/TRIPLE/PROFILE/deps/test
    let profile = test.ancestors().nth(2).expect("cargo's layout");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("build").arg("--quiet");
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    let status = cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the executables do not build");
    profile.to_owned()
}
