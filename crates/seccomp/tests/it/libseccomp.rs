//! libseccomp, driven by a small script: the reference that runc's filters come from.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Libseccomp {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Libseccomp {
    /// Starts the script; says why not, if Python or libseccomp is missing.
    pub(crate) fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oracle.py");
        let child = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: needs python3");
            return None;
        };
        let mut started = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        if started.try_ask(&json!({"resolve": ["read"]})).is_none() {
            eprintln!("skipped: needs libseccomp.so.2");
            return None;
        }
        Some(started)
    }

    fn try_ask(&mut self, question: &Value) -> Option<Value> {
        writeln!(self.input.as_mut()?, "{question}").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        self.try_ask(question)
            .expect("the script answers each line")
    }
}

impl Drop for Libseccomp {
    fn drop(&mut self) {
        self.input = None;
        drop(self.child.wait());
    }
}

/// A program from hexadecimal digits.
pub(crate) fn program(hex: &str) -> Vec<(u16, u8, u8, u32)> {
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    let instruction = |at: usize| {
        let code = u16::from_ne_bytes([byte(at), byte(at + 1)]);
        let k = u32::from_ne_bytes([byte(at + 4), byte(at + 5), byte(at + 6), byte(at + 7)]);
        (code, byte(at + 2), byte(at + 3), k)
    };
    (0..hex.len() / 2).step_by(8).map(instruction).collect()
}
