//! Running processes one instruction at a time, by ptrace(2).

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

/// Processes that are traced by a thread of their own.
pub(super) struct Traced {
    thread: JoinHandle<Result<Vec<u64>>>,
}

impl Traced {
    /// Follows the process `root`, and runs it, if it is of a program of this name, and every
    /// process below it that executes one, step by step until that executes another.
    pub(super) fn below(root: u32, name: &str, code: Range<u64>) -> Result<Self> {
        let (begun, begins) = std::sync::mpsc::channel();
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            let mut trace = Trace::seize(root, name, code)?;
            begun.send(())?;
            trace.follow()?;
            Ok(trace.visited)
        });
        match begins.recv() {
            Ok(()) => Ok(Self { thread }),
            Err(_) => Err(anyhow!("cannot trace: {:?}", thread.join())),
        }
    }

    /// Waits until all have ended, the first of them well, and gives the addresses that were
    /// executed, each once, in their order. Nobody else can wait for them.
    pub(super) fn end(self) -> Result<Vec<u64>> {
        let visited = self.thread.join().ok().context("the tracer panicked")??;
        ensure!(!visited.is_empty(), "nothing was traced");
        Ok(visited)
    }
}

/// Runs a command step by step; what [`Traced::end`] gives.
pub(super) fn command(command: &Command, code: Range<u64>) -> Result<Vec<u64>> {
    let program = Path::new(command.get_program());
    let name = program.file_name().and_then(|name| name.to_str());
    let name = name.context("a plain name")?;
    // It waits for a line until it is followed.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"read _; exec "$@" </dev/null"#, "sh"]);
    shell.arg(program).args(command.get_args());
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let traced = Traced::below(child.id(), name, code)?;
    let mut line = child.stdin.take().context("a pipe")?;
    line.write_all(b"\n")?;
    traced.end().with_context(|| format!("{command:?}"))
}

struct Trace {
    root: Pid,
    name: String,
    code: Range<u64>,
    /// Those that are run step by step, and how far from its place in the file the code of each is.
    stepped: HashMap<Pid, u64>,
    /// All others that are followed.
    followed: HashSet<Pid>,
    seen: HashSet<u64>,
    visited: Vec<u64>,
}

impl Trace {
    fn seize(root: u32, name: String, code: Range<u64>) -> Result<Self> {
        let options = Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC;
        let mut trace = Self {
            root: Pid::from_raw(i32::try_from(root)?),
            name,
            code,
            stepped: HashMap::new(),
            followed: HashSet::new(),
            seen: HashSet::new(),
            visited: Vec::new(),
        };
        for task in std::fs::read_dir(format!("/proc/{root}/task"))? {
            let task = task?.file_name();
            let task = task.to_str().and_then(|task| task.parse().ok());
            let task = Pid::from_raw(task.context("a thread's number")?);
            ptrace::seize(task, options)?;
            trace.follow_new(task)?;
            if trace.stepped.contains_key(&task) {
                ptrace::interrupt(task)?;
            }
        }
        Ok(trace)
    }

    /// Takes up a task that runs what made it, or has executed a program.
    fn follow_new(&mut self, task: Pid) -> Result<()> {
        match is_named(task, &self.name) {
            true => drop(self.stepped.insert(task, bias(task)?)),
            false => drop(self.followed.insert(task)),
        }
        Ok(())
    }

    /// Until nothing is left to be followed.
    fn follow(&mut self) -> Result<()> {
        let mut well = false;
        // Children of the process's other threads are not ours to wait for.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        while let Ok(status) = waitpid(None, Some(flags)) {
            if let WaitStatus::Exited(task, code) = status
                && task == self.root
            {
                well = code == 0;
            }
            self.stopped(status)?;
        }
        ensure!(well, "what was traced did not end well");
        Ok(())
    }

    fn stopped(&mut self, status: WaitStatus) -> Result<()> {
        let (task, signal) = match status {
            WaitStatus::Exited(task, _) | WaitStatus::Signaled(task, ..) => {
                self.forget(task);
                return Ok(());
            }
            WaitStatus::PtraceEvent(task, _, event) => {
                if event == Event::PTRACE_EVENT_EXEC as i32 {
                    self.forget(task);
                }
                (task, None)
            }
            WaitStatus::Stopped(task, Signal::SIGTRAP) => {
                self.stepped_to(task);
                (task, None)
            }
            WaitStatus::Stopped(task, signal) => (task, Some(signal)),
            _ => return Ok(()),
        };
        if !self.followed.contains(&task) && !self.stepped.contains_key(&task) {
            self.follow_new(task)?;
        }
        let resumed = match self.stepped.contains_key(&task) {
            true => ptrace::step(task, signal),
            false => ptrace::cont(task, signal),
        };
        // It may have been killed meanwhile.
        resumed.ok();
        Ok(())
    }

    fn forget(&mut self, task: Pid) {
        self.stepped.remove(&task);
        self.followed.remove(&task);
    }

    fn stepped_to(&mut self, task: Pid) {
        let (Some(at), Some(bias)) = (instruction(task), self.stepped.get(&task)) else {
            return;
        };
        let address = at.wrapping_sub(*bias);
        if self.code.contains(&address) && self.seen.insert(address) {
            self.visited.push(address);
        }
    }
}

/// Where a process's executable was loaded, if that may be anywhere.
fn bias(process: Pid) -> Result<u64> {
    let mut kind = [0; 18];
    std::fs::File::open(format!("/proc/{process}/exe"))?.read_exact(&mut kind)?;
    // `e_type` is ET_DYN.
    if !kind.ends_with(&[3, 0]) {
        return Ok(0);
    }
    let name = std::fs::read_link(format!("/proc/{process}/exe"))?;
    let name = name.to_str().context("a plain path")?;
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps"))?;
    let first = maps.lines().find(|line| line.ends_with(name));
    let start = first.and_then(|line| line.split('-').next());
    Ok(u64::from_str_radix(start.context("no mapping")?, 16)?)
}

/// Whether the last part of the program's own name for itself is this.
fn is_named(process: Pid, name: &str) -> bool {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    first.rsplit(|byte| *byte == b'/').next() == Some(name.as_bytes())
}

/// The address of the next instruction of a task that stands still.
#[cfg(target_arch = "x86_64")]
fn instruction(task: Pid) -> Option<u64> {
    ptrace::getregs(task).ok().map(|registers| registers.rip)
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction(_: Pid) -> Option<u64> {
    None
}
