//! The real executable as PID 1 of a pid namespace.

use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> Output {
    Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(env!("CARGO_BIN_EXE_corten-init"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("unshare starts")
}

#[test]
fn it_ends_as_its_program_ends() {
    for (arguments, code) in [
        (&["--", "sh", "-c", "exit 42"][..], 42),
        (&["sh", "-c", "kill -9 $$"][..], 137),
        (&["true"][..], 0),
        (&["/no/such/program"][..], 127),
        (&["/etc/passwd"][..], 126),
        (&[][..], 127),
    ] {
        assert_eq!(run(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn orphans_are_reaped() {
    // The inner shell ends and leaves a child, which becomes PID 1's and must not stay a zombie.
    let script =
        "sh -c 'sleep 0.05 & exit 0'; sleep 0.3; cat /proc/[0-9]*/stat | grep -c ' Z ' || true";
    assert_eq!(
        String::from_utf8_lossy(&run(&["sh", "-c", script]).stdout).trim(),
        "0"
    );
}

#[test]
fn signals_reach_the_program() {
    let script = "trap 'echo got; exit 9' TERM; kill -TERM 1; while :; do sleep 0.01; done";
    let output = run(&["sh", "-c", script]);
    assert_eq!(output.status.code(), Some(9));
    assert_eq!(output.stdout, b"got\n");
}

#[test]
fn the_program_starts_with_no_signal_blocked() {
    let output = run(&["grep", "SigBlk", "/proc/self/status"]);
    assert_eq!(output.stdout, b"SigBlk:\t0000000000000000\n");
}
