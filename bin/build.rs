//! Build script: how executables are linked that a container's start goes through.

use std::env;

/// Links what is started often to a fixed address, and a release with what a start goes through side
/// by side.
pub(crate) fn main() {
    println!("cargo::rerun-if-changed=../build.rs");
    println!("cargo::rerun-if-changed=hot.ld");
    let of = |name| env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    // Position-independent, each process would relocate its tables first: that takes longer than
    // most commands, and is a third of the private memory of a shim (56 kB). At a fixed address
    // they are the file's pages, clean and shared. Stack, heap and mappings stay at random places.
    if of("CARGO_PKG_NAME") != "corten-daemon" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        println!("cargo::rustc-link-arg-bins=-static");
    }
    // In a debug build the linker would look for these among many times as many functions.
    if of("PROFILE") == "release" {
        let folder = of("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/hot.ld");
    }
}
