//! The supervisor of one sandbox.
#![cfg_attr(not(test), no_main)]

sys::main!(program);

fn program() -> u8 {
    shim::main(std::env::args_os())
}
