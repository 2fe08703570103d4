//! The command for people.
#![cfg_attr(not(test), no_main)]

sys::main!(program);

fn program() -> u8 {
    cli::main(std::env::args_os())
}
