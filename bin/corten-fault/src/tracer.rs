//! Seizing, following, counting, killing and failing, by ptrace(2).

use crate::changes;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long letting go may take.
const RELEASE: Duration = Duration::from_secs(5);
/// Stops of a thread that has just made another.
const FORKS: [i32; 3] = [
    ptrace::Event::PTRACE_EVENT_FORK as i32,
    ptrace::Event::PTRACE_EVENT_VFORK as i32,
    ptrace::Event::PTRACE_EVENT_CLONE as i32,
];

/// Whose system calls count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    /// The seized process.
    Itself,
    /// The first process, itself or below it, that executes a program of this name, and the
    /// next one when that has ended: by its `/proc/PID/comm`, or by the last part of its first
    /// argument (one executed through a descriptor has that number as its comm).
    Child(String),
}

/// What becomes of the victim at its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is killed, at any call.
    Kill,
    /// A call that changes files fails with this error.
    Fail(i32),
}

/// What became of the victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How many system calls were counted.
    pub(crate) calls: u64,
    /// Whether it met its fate.
    pub(crate) met: bool,
}

/// A process seized with all its threads.
pub(crate) struct Trace {
    root: Pid,
    victim: Victim,
    at: Option<u64>,
    fate: Fate,
    calls: u64,
    met: bool,
    /// A thread whose call is not done, until it returns.
    failing: Option<Pid>,
    /// The victim, once it is known.
    target: Option<Pid>,
    /// Threads that are traced, and the process of each.
    processes: BTreeMap<Pid, Pid>,
}

fn options() -> Options {
    Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
}

/// The process that a thread is of.
fn process_of(thread: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok().map(Pid::from_raw)
}

/// Whether a process that just executed is of the program `name`.
fn is_named(process: Pid, name: &str) -> bool {
    let comm = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let last = first.rsplit(|byte| *byte == b'/').next();
    comm.trim() == name.get(..15).unwrap_or(name) || last == Some(name.as_bytes())
}

impl Trace {
    /// Seizes `process`, to kill `victim` as it enters or leaves its system call number `at`
    /// (each call has two halves, numbered from 1), or to let its change number `at` fail;
    /// `None` only counts.
    pub(crate) fn seize(
        process: Pid,
        victim: Victim,
        (at, fate): (Option<u64>, Fate),
    ) -> Result<Self, Errno> {
        let target = (victim == Victim::Itself).then_some(process);
        let processes = BTreeMap::new();
        let mut trace = Self {
            root: process,
            victim,
            at,
            fate,
            calls: 0,
            met: false,
            failing: None,
            target,
            processes,
        };
        trace.seize_threads()?;
        Ok(trace)
    }

    /// What was counted so far.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            calls: self.calls,
            met: self.met,
        }
    }

    fn seize_threads(&mut self) -> Result<(), Errno> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.root)).map_err(|_| Errno::ESRCH)?;
        for task in tasks.flatten() {
            let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let thread = Pid::from_raw(thread);
            match ptrace::seize(thread, options()) {
                // It ended since it was listed, or is about to.
                Err(Errno::ESRCH | Errno::EPERM) if thread != self.root => continue,
                seized => seized?,
            }
            self.processes.insert(thread, self.root);
            match ptrace::interrupt(thread) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Handles stops until it is told to end or nothing is traced any more.
    pub(crate) fn follow(&mut self, stop: &AtomicBool) {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        while !self.processes.is_empty() {
            let mut idle = true;
            let threads: Vec<Pid> = self.processes.keys().copied().collect();
            for thread in threads {
                match waitpid(thread, Some(flags)) {
                    Ok(WaitStatus::StillAlive) => {}
                    Ok(status) => {
                        idle = false;
                        self.stopped(status);
                    }
                    Err(_) => self.ended(thread),
                }
            }
            if self.met && self.fate == Fate::Kill {
                self.take_strangers();
            }
            if idle && stop.load(Ordering::Relaxed) {
                return self.release();
            }
            if idle {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
    }

    /// Waits for what a thread made that was killed before it could say so: as long as one of
    /// its threads is not waited for, a process that was killed is not done.
    fn take_strangers(&self) {
        let look = WaitPidFlag::WNOWAIT | WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED;
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        while let Ok(status) = waitid(Id::All, look | flags) {
            let Some(thread) = status.pid().filter(|one| !self.processes.contains_key(one)) else {
                return;
            };
            match waitpid(thread, Some(flags)) {
                Ok(status) => let_go(status),
                Err(_) => return,
            }
        }
    }

    fn stopped(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..) => self.ended(thread),
            WaitStatus::PtraceSyscall(thread) => self.called(thread),
            WaitStatus::PtraceEvent(thread, _, event) => self.event(thread, event),
            WaitStatus::Stopped(thread, signal) => {
                self.go_on(thread, passed_on(signal));
            }
            _ => {}
        }
    }

    /// The next process of a victim's name is looked for when the one before has ended.
    fn ended(&mut self, thread: Pid) {
        let process = self.processes.remove(&thread);
        let lives = self.processes.values().any(|own| Some(*own) == self.target);
        if process == self.target && !lives && !self.met && self.victim != Victim::Itself {
            self.target = None;
        }
    }

    /// An entry into a system call, or the return from one.
    fn called(&mut self, thread: Pid) {
        let process = self.processes.get(&thread).copied();
        if process.is_some() && process == self.target {
            match self.fate {
                Fate::Kill => self.kill_at(thread),
                Fate::Fail(errno) => self.fail_at(thread, errno),
            }
        }
        self.go_on(thread, None);
    }

    fn kill_at(&mut self, thread: Pid) {
        self.calls += 1;
        if self.at == Some(self.calls) {
            self.met = true;
            kill(self.target.unwrap_or(thread), Signal::SIGKILL).ok();
        }
    }

    fn fail_at(&mut self, thread: Pid, errno: i32) {
        if self.failing == Some(thread) {
            self.failing = None;
            self.met = changes::answer(thread, errno).is_ok();
        } else if changes::enters(thread) {
            self.calls += 1;
            if self.at == Some(self.calls) && changes::skip(thread).is_ok() {
                self.failing = Some(thread);
            }
        }
    }

    fn event(&mut self, thread: Pid, event: i32) {
        if FORKS.contains(&event)
            && let Ok(child) = ptrace::getevent(thread)
        {
            self.born(Pid::from_raw(i32::try_from(child).unwrap_or_default()));
        }
        if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 {
            self.executed(thread);
        }
        self.go_on(thread, None);
    }

    /// A new thread of a traced process is traced; a new process only while the victim is
    /// looked for among the children.
    fn born(&mut self, child: Pid) {
        let Some(process) = process_of(child) else {
            return;
        };
        let of_target = Some(process) == self.target || process == self.root;
        let looking = self.victim != Victim::Itself && self.target.is_none();
        // It stops by itself before its first step.
        waitpid(child, Some(WaitPidFlag::__WALL)).ok();
        if of_target || looking {
            self.processes.insert(child, process);
            self.go_on(child, None);
        } else {
            ptrace::detach(child, None).ok();
        }
    }

    fn executed(&mut self, thread: Pid) {
        let Victim::Child(name) = &self.victim else {
            return;
        };
        if self.target.is_none() && is_named(thread, name) {
            self.target = Some(thread);
        }
    }

    /// Lets a stopped thread run on to its next system call.
    fn go_on(&self, thread: Pid, signal: Option<Signal>) {
        // It may have been killed meanwhile; its end is seen by the next wait.
        ptrace::syscall(thread, signal).ok();
    }

    /// Stops every thread and lets it go. None is waited for alone: the first thread of a
    /// process that was killed ends only when the others were waited for.
    fn release(&mut self) {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        for thread in self.processes.keys() {
            // One that stands still already, or is gone, is found so below.
            ptrace::interrupt(*thread).ok();
        }
        let deadline = Instant::now() + RELEASE;
        // What is left then is let go by the kernel, at our end.
        while !self.processes.is_empty() && Instant::now() < deadline {
            self.take_strangers();
            self.processes
                .retain(|thread, _| match waitpid(*thread, Some(flags)) {
                    Ok(WaitStatus::StillAlive) => true,
                    Ok(status) => {
                        let_go(status);
                        false
                    }
                    Err(_) => false,
                });
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

/// Detaches from a thread that stands still, and from one that it has just made.
fn let_go(status: WaitStatus) {
    match status {
        WaitStatus::PtraceEvent(thread, _, event) => {
            if FORKS.contains(&event)
                && let Ok(child) = ptrace::getevent(thread)
            {
                let child = Pid::from_raw(i32::try_from(child).unwrap_or_default());
                waitpid(child, Some(WaitPidFlag::__WALL)).ok();
                ptrace::detach(child, None).ok();
            }
            ptrace::detach(thread, None).ok();
        }
        WaitStatus::Stopped(thread, signal) => {
            ptrace::detach(thread, passed_on(signal)).ok();
        }
        WaitStatus::PtraceSyscall(thread) => {
            ptrace::detach(thread, None).ok();
        }
        _ => {}
    }
}

/// A signal on its way is passed on; the stop of a seizure is none.
fn passed_on(signal: Signal) -> Option<Signal> {
    (signal != Signal::SIGTRAP && signal != Signal::SIGSTOP).then_some(signal)
}
