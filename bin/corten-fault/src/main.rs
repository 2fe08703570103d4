//! For tests: kills a process at its n-th system call, or lets its n-th change of files fail,
//! and counts how many it makes.
//!
//! `corten-fault PID VICTIM [N [ERRNO]]` seizes the process with all its threads and follows it into
//! its children. VICTIM is `itself`, or the name of a program: the first process that
//! executes it, the seized one or a child, is the victim, and the next when that has ended.
//! Entries into system calls and returns from them are counted alike, over all threads, in
//! the order in which they stop; at number N the victim is killed, without N it is only
//! counted. With ERRNO, a number, only calls that change or sync files and directories are
//! counted, and number N (0: none) fails with it and is not done.
//! `seized` is printed when it begins. When its standard input ends, or nothing is
//! left to trace, it lets all go and prints `COUNT killed`, `COUNT failed` or `COUNT spared`.
#![expect(clippy::print_stdout, reason = "its output is its answer")]

mod changes;
mod tracer;

use anyhow::{Context, Result, bail};
use nix::unistd::Pid;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracer::{Fate, Trace, Victim};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse().context("N is a number from 1");
    let (pid, victim, at, fate) = match arguments.as_slice() {
        [pid, victim] => (pid, victim, None, Fate::Kill),
        [pid, victim, at] => (pid, victim, Some(number(at)?), Fate::Kill),
        [pid, victim, at, errno] => {
            let errno = errno.parse().context("ERRNO is a number")?;
            (pid, victim, Some(number(at)?), Fate::Fail(errno))
        }
        _ => bail!("usage: corten-fault PID itself|PROGRAM [N [ERRNO]]"),
    };
    let victim = if victim == "itself" {
        Victim::Itself
    } else {
        Victim::Child(victim.clone())
    };
    let pid = Pid::from_raw(pid.parse().context("PID is a number")?);
    let trace = Trace::seize(pid, victim, (at, fate));
    let mut trace = trace.with_context(|| format!("cannot seize process {pid}"))?;
    println!("seized");
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    std::thread::spawn(move || {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        told.store(true, Ordering::Relaxed);
    });
    trace.follow(&stop);
    let outcome = trace.outcome();
    let told = match (outcome.met, fate) {
        (false, _) => "spared",
        (true, Fate::Kill) => "killed",
        (true, Fate::Fail(_)) => "failed",
    };
    println!("{} {told}", outcome.calls);
    Ok(())
}
