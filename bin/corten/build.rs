//! Links the command to a fixed address.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // It starts once for each thing that somebody types. Position-independent, it would
    // relocate its tables first, which takes longer than most commands.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        println!("cargo:rustc-link-arg-bins=-static");
    }
}
