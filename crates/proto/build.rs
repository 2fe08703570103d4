//! Generates messages from the .proto files that the crate containerd-shim-protos ships, and
//! from our own, without protoc.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const CONTAINERD: [&str; 8] = [
    "runtime/task/v3/shim.proto",
    "runtime/bootstrap/v1/bootstrap.proto",
    "services/ttrpc/events/v1/events.proto",
    "events/task.proto",
    "types/runc/options/oci.proto",
    "github.com/containerd/cgroups/v3/cgroup1/stats/metrics.proto",
    "github.com/containerd/cgroups/cgroup2/stats/metrics.proto",
    "shim.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    let vendor = source_of("containerd-shim-protos")?.join("vendor");
    let api = vendor.join("github.com/containerd/containerd/api");
    let includes = [api.as_path(), vendor.as_path(), Path::new("proto")];
    let mut set = protox::compile(CONTAINERD, includes)?;
    for file in &mut set.file {
        // Their comments are no rustdoc: indented lists would be compiled as examples.
        if file.name() != "shim.proto" {
            file.source_code_info = None;
        }
    }
    prost_build::Config::new()
        .include_file("messages.rs")
        .enable_type_names()
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
