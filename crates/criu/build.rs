//! Generates messages from the .proto file that the crate rust-criu ships, without protoc.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let folder = source_of("rust-criu")?.join("proto");
    let mut set = protox::compile(["rpc.proto"], [folder])?;
    for file in &mut set.file {
        file.source_code_info = None;
    }
    prost_build::Config::new()
        .default_package_filename("rpc")
        .compile_fds(set)?;
    Ok(())
}

/// Where cargo keeps the source of the locked package `name`.
fn source_of(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").ok_or("CARGO is not set")?;
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version=1"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == name)
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or_else(|| format!("{name} is not in Cargo.lock"))?;
    let folder = Path::new(manifest)
        .parent()
        .ok_or("a manifest without folder")?;
    Ok(folder.to_owned())
}
