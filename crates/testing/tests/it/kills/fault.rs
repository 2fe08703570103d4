//! The tracer that counts a victim's system calls and kills it at one of them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use testing::{Ran, binary};

/// What became of a victim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// How many halves of system calls it made.
    pub calls: u64,
    /// Whether it was killed.
    pub killed: bool,
}

/// A running tracer.
pub(super) struct Fault {
    child: Child,
    answers: BufReader<ChildStdout>,
}

/// A test that fails lets the victim go too.
impl Drop for Fault {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

impl Fault {
    /// Seizes `pid`; `victim` is `itself` or a program, which is killed at call `at`.
    pub(super) fn seize(pid: u32, victim: &str, at: Option<u64>) -> Self {
        let mut command = Command::new(binary("corten-fault"));
        command
            .args([&pid.to_string(), victim])
            .args(at.map(|n| n.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the tracer starts");
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).expect("the tracer answers");
        assert_eq!(line, "seized\n");
        Self { child, answers }
    }

    /// Lets the victim go.
    pub(super) fn finish(mut self) -> Outcome {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("the tracer answers");
        self.child.wait().expect("the tracer is our child");
        let (calls, fate) = line
            .trim()
            .split_once(' ')
            .expect("the tracer says a count and a fate");
        Outcome {
            calls: calls.parse().unwrap(),
            killed: fate == "killed",
        }
    }
}

/// Runs `command` as a victim from its first call.
pub(super) fn run(command: &Command, at: Option<u64>) -> (Ran, Outcome) {
    let mut waiting = waiting(command, Stdio::piped(), Stdio::piped());
    let fault = Fault::seize(waiting.id(), program(command), at);
    go(&mut waiting);
    let output = waiting.wait_with_output().expect("it is our child");
    let outcome = fault.finish();
    let ran = Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: output.stderr,
    };
    (ran, outcome)
}

/// A shell that becomes `command` when it is told to.
pub(super) fn waiting(command: &Command, stdout: Stdio, stderr: Stdio) -> Child {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "read go; exec \"$0\" \"$@\" </dev/null"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(stderr);
    shell.spawn().expect("sh starts")
}

/// Tells it.
pub(super) fn go(waiting: &mut Child) {
    let mut stdin = waiting.stdin.take().expect("it is piped");
    stdin.write_all(b"go\n").expect("it reads");
}

fn program(command: &Command) -> &str {
    let path: &std::path::Path = command.get_program().as_ref();
    path.file_name().unwrap().to_str().unwrap()
}
