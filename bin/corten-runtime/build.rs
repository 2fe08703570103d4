//! Names the entry that seals the program before anything else of it runs.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The name of `sys::seal::ENTRY`, which a build script cannot ask for.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,--entry=corten_sealed_start");
    }
}
