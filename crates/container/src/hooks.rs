//! Hooks: programs that the configuration names, told the container's state on standard input.
//!
//! `prestart` and `createRuntime` run in the caller's namespaces before the pivot,
//! `createContainer` and `startContainer` in the container's, by its own init, before the pivot
//! and before the program; `poststart` and `poststop` are the caller's, by [`run`].

use crate::Error;
use crate::plan::{c, strings};
use oci::runtime::{Hook, Hooks, State, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use sys::exec::Strings;

/// Which list a hook is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Deprecated, as `createRuntime`, before it.
    Prestart,
    /// The namespaces are there, the root is not entered.
    CreateRuntime,
    /// As before, in the container's namespaces.
    CreateContainer,
    /// The program is about to be executed.
    StartContainer,
    /// The program was executed.
    Poststart,
    /// The container was deleted.
    Poststop,
}

impl Stage {
    /// The stage of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        const ALL: [Stage; 6] = [
            Stage::Prestart,
            Stage::CreateRuntime,
            Stage::CreateContainer,
            Stage::StartContainer,
            Stage::Poststart,
            Stage::Poststop,
        ];
        ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// The field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }
}

/// Go's words for signals, from the first.
const SIGNALS: [&str; 31] = [
    "hangup",
    "interrupt",
    "quit",
    "illegal instruction",
    "trace/breakpoint trap",
    "aborted",
    "bus error",
    "floating point exception",
    "killed",
    "user defined signal 1",
    "segmentation fault",
    "user defined signal 2",
    "broken pipe",
    "alarm clock",
    "terminated",
    "stack fault",
    "child exited",
    "continued",
    "stopped (signal)",
    "stopped",
    "stopped (tty input)",
    "stopped (tty output)",
    "urgent I/O condition",
    "CPU time limit exceeded",
    "file size limit exceeded",
    "virtual timer expired",
    "profiling timer expired",
    "window changed",
    "I/O possible",
    "power failure",
    "bad system call",
];

/// COMPAT: how a hook ended, with the words for a signal instead of its number.
pub(crate) fn in_words(reason: &str) -> String {
    let Some(rest) = reason.strip_prefix("signal: ") else {
        return reason.to_owned();
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let number: usize = rest[..end].parse().unwrap_or(0);
    let words = number.checked_sub(1).and_then(|at| SIGNALS.get(at));
    let (words, after) = match (words, rest[end..].split_once(')')) {
        (None, _) => return reason.to_owned(),
        // The standard library's own name of it.
        (Some(words), Some((name, after))) if name.starts_with(" (SIG") => (words, after),
        (Some(words), _) => (words, &rest[end..]),
    };
    format!("signal: {words}{after}")
}

/// What a failing hook said is told up to this many bytes.
const SAID: usize = 512;

/// Runs these hooks one after the other in the caller's namespaces; the first failure ends it.
pub fn run(hooks: &[Hook], stage: Stage, state: &State) -> Result<(), Error> {
    for (index, hook) in hooks.iter().enumerate() {
        let failed = |reason: String| Error::Hook {
            stage: stage.name(),
            index,
            path: hook.path.clone(),
            reason,
        };
        one(hook, state).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

fn one(hook: &Hook, state: &State) -> io::Result<()> {
    let document = serde_json::to_vec(state)?;
    let mut command = Command::new(&hook.path);
    if let [name, rest @ ..] = &hook.args[..] {
        command.arg0(name).args(rest);
    }
    // COMPAT: without an environment of its own a hook has ours, as runc's hooks do.
    if !hook.env.is_empty() {
        let variables = hook.env.iter().filter_map(|v| v.split_once('='));
        command.env_clear().envs(variables);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that does not want to know closes it.
        drop(stdin.write_all(&document));
    }
    let said = wait(&mut child, hook.timeout)?;
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let reason = format!("{status}: {}", said.trim());
    Err(io::Error::other(in_words(&reason)))
}

/// Waits for the end, or kills after `timeout` seconds; the beginning of what the hook said. All
/// of it is heard: who has said too much must not be stuck.
fn wait(child: &mut Child, timeout: Option<i64>) -> io::Result<Vec<u8>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
    let timeout = timeout.and_then(|seconds| u64::try_from(seconds).ok());
    let end = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut stderr = child.stderr.take();
    let mut said = Vec::new();
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose();
        let left = left.map_err(io::Error::other)?;
        let mut waited = vec![PollFd::new(&pidfd, PollFlags::IN)];
        waited.extend(stderr.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut waited, left.as_ref()) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let (ended, speaks) = match &waited[..] {
            [ended, pipe] => (!ended.revents().is_empty(), !pipe.revents().is_empty()),
            _ => (true, false),
        };
        if !speaks && ended {
            return Ok(said);
        }
        if speaks && !hear(&mut stderr, &mut said)? {
            stderr = None;
        }
    }
    child.kill()?;
    child.wait()?;
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("still running after {} s", timeout.unwrap_or(0)),
    ))
}

/// Takes one piece; says whether there can be more.
fn hear(stderr: &mut Option<ChildStderr>, said: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 512];
    let length = match stderr {
        Some(pipe) => pipe.read(&mut piece)?,
        None => 0,
    };
    let room = SAID.saturating_sub(said.len());
    said.extend_from_slice(&piece[..length.min(room)]);
    Ok(length > 0)
}

/// The hooks of a container, ready for parent and child.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) prestart: Vec<Hook>,
    pub(crate) create_runtime: Vec<Hook>,
    pub(crate) create_container: Vec<Program>,
    pub(crate) start_container: Vec<Program>,
    /// The state told by the child's hooks, while creating and when created.
    pub(crate) creating: Document,
    pub(crate) created: Document,
}

/// A hook that the child executes.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: CString,
    pub(crate) arguments: Strings,
    /// Its own; if it has none, the program's for those about to start it, or else ours.
    pub(crate) environment: Option<Strings>,
    /// Seconds.
    pub(crate) timeout: Option<i64>,
    /// Whether the container's system call filter is for it too.
    pub(crate) under_filter: bool,
}

/// A state with room for the pid, which the parent does not know before the clone.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    /// Where the ten characters of the pid begin.
    pub(crate) pid: usize,
}

impl Prepared {
    pub(crate) fn plan(hooks: Option<&Hooks>, state: &State) -> Result<Self, Error> {
        let empty = Hooks::default();
        let hooks = hooks.unwrap_or(&empty);
        let lists = [
            (&hooks.prestart, Stage::Prestart),
            (&hooks.create_runtime, Stage::CreateRuntime),
            (&hooks.create_container, Stage::CreateContainer),
            (&hooks.start_container, Stage::StartContainer),
            (&hooks.poststart, Stage::Poststart),
            (&hooks.poststop, Stage::Poststop),
        ];
        for (list, stage) in lists {
            for (i, hook) in list.iter().enumerate() {
                check(&format!("hooks.{}[{i}]", stage.name()), hook)?;
            }
        }
        Ok(Self {
            prestart: hooks.prestart.clone(),
            create_runtime: hooks.create_runtime.clone(),
            create_container: programs(
                "hooks.createContainer",
                &hooks.create_container,
                Some(&inherited()),
            )?,
            start_container: programs("hooks.startContainer", &hooks.start_container, None)?,
            creating: Document::new(state, Status::Creating)?,
            created: Document::new(state, Status::Created)?,
        })
    }

    /// Whether anything runs before the program.
    pub(crate) fn any(&self) -> bool {
        !(self.prestart.is_empty()
            && self.create_runtime.is_empty()
            && self.create_container.is_empty()
            && self.start_container.is_empty())
    }
}

fn check(field: &str, hook: &Hook) -> Result<(), Error> {
    if !hook.path.starts_with('/') {
        let reason = format!("{:?} is not absolute", hook.path);
        return Err(Error::invalid(format!("{field}.path"), reason));
    }
    if hook.timeout.is_some_and(|timeout| timeout <= 0) {
        return Err(Error::invalid(
            format!("{field}.timeout"),
            "is not above zero",
        ));
    }
    Ok(())
}

/// Our own environment.
fn inherited() -> Vec<String> {
    let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some(format!("{}={}", name.to_str()?, value.to_str()?))
    };
    std::env::vars_os().filter_map(variable).collect()
}

fn programs(
    field: &str,
    hooks: &[Hook],
    default: Option<&[String]>,
) -> Result<Vec<Program>, Error> {
    let numbered = hooks.iter().enumerate();
    numbered
        .map(|(i, hook)| {
            let field = format!("{field}[{i}]");
            let arguments = match &hook.args[..] {
                [] => std::slice::from_ref(&hook.path),
                arguments => arguments,
            };
            let own = (!hook.env.is_empty()).then_some(&hook.env[..]);
            let environment = own.or(default).map(|env| strings(&field, env));
            Ok(Program {
                path: c(&field, &hook.path)?,
                arguments: Strings::new(strings(&field, arguments)?),
                environment: environment.transpose()?.map(Strings::new),
                timeout: hook.timeout,
                // Those about to start the program are the ones without a default.
                under_filter: default.is_none(),
            })
        })
        .collect()
}

impl Document {
    fn new(state: &State, status: Status) -> Result<Self, Error> {
        let state = State {
            pid: i32::MAX,
            status,
            ..state.clone()
        };
        let bytes = serde_json::to_vec(&state)
            .map_err(|error| Error::process("write the state for hooks")(error.into()))?;
        const HOLE: &[u8] = b"\"pid\":2147483647";
        let at = bytes
            .windows(HOLE.len())
            .position(|window| window == HOLE)
            .map_or(0, |at| at + HOLE.len() - 10);
        Ok(Self { bytes, pid: at })
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn a_signal_is_told_in_words() {
        for (reason, words) in [
            ("signal: 31:", "signal: bad system call:"),
            (
                "signal: 9 (SIGKILL): said (so)",
                "signal: killed: said (so)",
            ),
            ("signal: 64:", "signal: 64:"),
            ("exit status: 1: signal: 9", "exit status: 1: signal: 9"),
        ] {
            assert_eq!(in_words(reason), words);
        }
    }
}
