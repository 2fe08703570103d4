//! The supervisor of one sandbox.
#![no_main]

sys::main!(program);

fn program() -> u8 {
    shim::main(std::env::args_os())
}
