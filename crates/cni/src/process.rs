//! A plugin's process: bounded in time and in what it may say.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much plugins may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time of one call.
    pub time: Duration,
    /// The bytes of one answer.
    pub output: usize,
}

impl Default for Limits {
    /// Two minutes, 1 MiB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(120),
            output: 1 << 20,
        }
    }
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself, having said this on standard output and this on standard error.
    Exited(ExitStatus, Vec<u8>, Vec<u8>),
    /// It was killed: not in time.
    Late,
    /// It was killed: it said too much.
    Loud,
}

/// What is kept of standard error.
const COMPLAINT: usize = 4096;
/// What is read at once.
const PIECE: usize = 64 * 1024;

/// Runs a command with `input`, in a process group of its own, and waits for its end.
///
/// What it leaves running, it must have taken out of the group: the rest is killed if the
/// command has to be.
pub(crate) fn run(mut command: Command, input: &[u8], limits: Limits) -> io::Result<End> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let heard = Streams::of(&mut child, input).and_then(|mut streams| {
        let heard = streams.serve(&child, limits)?;
        Ok((heard, streams.output, streams.complaint))
    });
    match heard {
        Ok((Heard::All, output, complaint)) => Ok(End::Exited(child.wait()?, output, complaint)),
        Ok((Heard::Late, ..)) => kill(&mut child).map(|()| End::Late),
        Ok((Heard::TooMuch, ..)) => kill(&mut child).map(|()| End::Loud),
        Err(error) => {
            kill(&mut child)?;
            Err(error)
        }
    }
}

/// Kills the whole group: a plugin's own plugins are in it.
fn kill(child: &mut Child) -> io::Result<()> {
    let group = Pid::from_child(child);
    let _gone = kill_process_group(group, Signal::KILL);
    child.wait().map(drop)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    All,
    Late,
    TooMuch,
}

struct Streams<'a> {
    input: &'a [u8],
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    output: Vec<u8>,
    complaint: Vec<u8>,
}

impl<'a> Streams<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let streams = Self {
            input,
            stdin: child.stdin.take().map(OwnedFd::from),
            stdout: child.stdout.take().map(OwnedFd::from),
            stderr: child.stderr.take().map(OwnedFd::from),
            output: Vec::new(),
            complaint: Vec::new(),
        };
        let pipes = [&streams.stdin, &streams.stdout, &streams.stderr];
        for pipe in pipes.into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(streams)
    }

    /// Writes and reads until the process has ended.
    fn serve(&mut self, child: &Child, limits: Limits) -> io::Result<Heard> {
        let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let end = Instant::now() + limits.time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Heard::Late);
            }
            let ended = self.wait(&pidfd, left)?;
            self.write()?;
            self.read(limits.output)?;
            if self.output.len() > limits.output {
                return Ok(Heard::TooMuch);
            }
            // What it said before its end is there now; whoever else has the pipes is not heard.
            if ended {
                return Ok(Heard::All);
            }
        }
    }

    /// Waits for anything; says whether the process has ended.
    fn wait(&self, pidfd: &OwnedFd, left: Duration) -> io::Result<bool> {
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut waited = vec![PollFd::new(pidfd, PollFlags::IN)];
        let pipes = [
            (&self.stdin, PollFlags::OUT),
            (&self.stdout, PollFlags::IN),
            (&self.stderr, PollFlags::IN),
        ];
        for (pipe, flags) in pipes {
            waited.extend(pipe.as_ref().map(|pipe| PollFd::new(pipe, flags)));
        }
        match poll(&mut waited, Some(&left)) {
            Ok(_) | Err(Errno::INTR) => Ok(!waited[0].revents().is_empty()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A plugin that does not want to know all closes it.
    fn write(&mut self) -> io::Result<()> {
        while let Some(pipe) = &self.stdin {
            match rustix::io::write(pipe, self.input) {
                Ok(length) => self.input = &self.input[length..],
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(Errno::PIPE) => self.input = &[],
                Err(errno) => return Err(errno.into()),
            }
            if self.input.is_empty() {
                self.stdin = None;
            }
        }
        Ok(())
    }

    fn read(&mut self, most: usize) -> io::Result<()> {
        hear(&mut self.stdout, &mut self.output, most.saturating_add(1))?;
        hear(&mut self.stderr, &mut self.complaint, COMPLAINT)
    }
}

/// Takes all that is there, and keeps it up to `most` bytes; ends early when that is full.
fn hear(pipe: &mut Option<OwnedFd>, kept: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    // A writer that never stops must not hold us here.
    for _ in 0..64 {
        let Some(open) = pipe else { return Ok(()) };
        match rustix::io::read(open.as_fd(), &mut piece[..]) {
            Ok(0) => *pipe = None,
            Ok(length) => {
                let room = most.saturating_sub(kept.len());
                kept.extend_from_slice(&piece[..length.min(room)]);
            }
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
