//! Commands that ran to their end, and never for ever.

use crate::PATIENCE;
use std::fmt;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a command gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; 128 and the signal if one ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Ran {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard error as text.
    pub fn error(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself, if it succeeded; else the test fails and shows everything.
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// Itself, if it exited with `code`.
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}

/// For snapshots: only what there is.
impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit: {}", self.code)?;
        for (name, text) in [("stdout", self.text()), ("stderr", self.error())] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// Runs a command with nothing on its standard input.
pub fn run(mut command: Command) -> Ran {
    command.stdin(Stdio::null());
    finish(start(command), None)
}

/// Runs a command with these bytes on its standard input.
pub fn run_with_input(mut command: Command, input: Vec<u8>) -> Ran {
    command.stdin(Stdio::piped());
    finish(start(command), Some(input))
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = command.spawn();
    started.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn finish(mut child: Child, input: Option<Vec<u8>>) -> Ran {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command may end without reading all that it is given.
            scope.spawn(move || drop(stdin.write_all(&input)));
        }
        let stdout = scope.spawn(move || read(stdout));
        let stderr = scope.spawn(move || read(stderr));
        let status = wait(&mut child, PATIENCE);
        if status.is_none() {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
        }
        let ran = Ran {
            code: status.map_or(-1, code),
            stdout: stdout.join().expect("the reader ends"),
            stderr: stderr.join().expect("the reader ends"),
        };
        assert!(
            status.is_some(),
            "it did not end within {PATIENCE:?}: {ran}"
        );
        ran
    })
}

fn read(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let read: io::Result<usize> = stream.read_to_end(&mut bytes);
        read.expect("a pipe can be read");
    }
    bytes
}

pub(crate) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).unwrap_or(-1)
}

/// Waits for a child; nothing if it takes longer.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
