//! Links the shim to a fixed address.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // There is one shim a sandbox. Position-independent, each would relocate 56 kB of tables
    // at its start, a third of all its private memory; linked to a fixed address these are
    // the file's pages, clean and shared. Stack, heap and mappings stay at random places.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        println!("cargo:rustc-link-arg-bins=-static");
    }
}
