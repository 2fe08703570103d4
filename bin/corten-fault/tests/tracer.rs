//! Victims that are counted, killed at a given call, and let go.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running tracer.
struct Tracer {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Tracer {
    fn seize(victim: &Child, name: &str, at: Option<u64>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corten-fault"));
        command
            .args([&victim.id().to_string(), name])
            .args(at.map(|n| n.to_string()));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("it says so");
        assert_eq!(line, "seized\n");
        Self { child, answers }
    }

    fn finish(mut self) -> (u64, bool) {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("it says what it counted");
        assert!(self.child.wait().expect("it ends").success());
        let (count, fate) = line.trim().split_once(' ').expect("two words");
        (count.parse().expect("a number"), fate == "killed")
    }
}

/// A shell that is ready, waits for a line and then makes calls of its own and `script`'s.
fn waiting(script: &str) -> Child {
    let script =
        format!("echo; read go; for n in 1 2 3 4 5 6 7 8; do : </dev/null; done; {script}");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh starts");
    child
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut [0])
        .expect("it is ready");
    child
}

fn go(child: &mut Child) {
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"go\n").expect("it reads");
}

#[test]
fn the_nth_call_is_the_last() {
    let mut counted = waiting("exit 3");
    let tracer = Tracer::seize(&counted, "itself", None);
    go(&mut counted);
    let end = counted.wait().expect("ends");
    assert_eq!(end.code(), Some(3), "{end}");
    let (calls, killed) = tracer.finish();
    assert!(!killed && calls > 2, "{calls}");

    for at in [1, calls / 2] {
        let mut victim = waiting("exit 3");
        let tracer = Tracer::seize(&victim, "itself", Some(at));
        go(&mut victim);
        assert_eq!(victim.wait().expect("ends").signal(), Some(9));
        assert_eq!(tracer.finish(), (at, true));
    }
}

#[test]
fn a_child_is_killed_and_its_parent_is_not() {
    let mut parent = waiting("sleep 30; exit 5");
    let tracer = Tracer::seize(&parent, "sleep", Some(8));
    go(&mut parent);
    assert_eq!(parent.wait().expect("ends").code(), Some(5));
    assert!(tracer.finish().1);
}

#[test]
fn the_next_of_its_name_is_the_victim_when_one_has_ended() {
    let counted = |script: &str, at| {
        let mut parent = waiting(script);
        let tracer = Tracer::seize(&parent, "sleep", at);
        go(&mut parent);
        let code = parent.wait().expect("ends").code();
        (tracer.finish(), code)
    };
    let ((one, _), _) = counted("sleep 0; exit 5", None);
    let ((two, _), _) = counted("sleep 0; sleep 0; exit 5", None);
    assert!(one > 8 && two > one + 8, "{one} {two}");
    let killed = counted("sleep 0; sleep 0; exit $?", Some(one + 8));
    assert_eq!(killed, ((one + 8, true), Some(128 + 9)));
}

#[test]
fn who_was_let_go_runs_on() {
    let mut child = waiting("exit 4");
    let tracer = Tracer::seize(&child, "itself", Some(1_000_000));
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(!tracer.finish().1);
    go(&mut child);
    assert_eq!(child.wait().expect("ends").code(), Some(4));
}
