//! The command for people.
#![no_main]

sys::main!(program);

fn program() -> u8 {
    cli::main(std::env::args_os())
}
