//! Hooks: the parent's are asked for, the container's own are executed here.

use super::Setup;
use crate::channel::{self, Tag};
use crate::fault::{Class, During, Fault, errno};
use crate::hooks::{Document, Program, Stage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use sys::clone::{Child, Clone};

pub(super) fn before_pivot<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container().filter(|c| c.hooks.any()) else {
        return Ok(());
    };
    channel::send(setup.channel, Tag::Hooks, 0, None).during("ask for the runtime's hooks")?;
    let go = channel::wait_for(setup.channel, Tag::Go).during("wait for the runtime's hooks")?;
    let gone = || Fault::new("wait for the runtime's hooks", b"", Errno::PIPE);
    setup.pid = go.ok_or_else(gone)?;
    if container.hooks.create_container.is_empty() {
        return Ok(());
    }
    // COMPAT: runc's hooks of this list begin in the root that is to be.
    rustix::process::fchdir(setup.root()?).during("enter the root for hooks")?;
    let list = &container.hooks.create_container;
    all(
        setup,
        (Stage::CreateContainer, list),
        &container.hooks.creating,
    )
}

pub(super) fn start_container<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    match setup.container() {
        Some(container) => {
            let list = &container.hooks.start_container;
            all(
                setup,
                (Stage::StartContainer, list),
                &container.hooks.created,
            )
        }
        None => Ok(()),
    }
}

fn all<'a>(
    setup: &Setup<'a>,
    (stage, hooks): (Stage, &'a [Program]),
    document: &'a Document,
) -> Result<(), Fault<'a>> {
    for (index, hook) in hooks.iter().enumerate() {
        let mut said = Said::default();
        match one(setup, hook, document, &mut said).on("run hook", &hook.path)? {
            Outcome::Succeeded => {}
            failed => return Err(tell_failure(setup, (stage, index, hook), failed, &said)),
        }
    }
    Ok(())
}

/// How a hook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Exited(i32),
    Signalled(i32),
    Late(i64),
}

/// What a hook wrote, as far as it is told.
struct Said {
    bytes: [u8; 512],
    length: usize,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            bytes: [0; 512],
            length: 0,
        }
    }
}

/// Sends the whole story; nothing allocates, so it is put together here.
fn tell_failure<'a>(
    setup: &Setup<'a>,
    (stage, index, hook): (Stage, usize, &Program),
    outcome: Outcome,
    said: &Said,
) -> Fault<'a> {
    let mut text = [0_u8; 1000];
    let mut cursor = io::Cursor::new(&mut text[..]);
    // What does not fit is left out.
    drop(write!(cursor, "{index}\0"));
    drop(cursor.write_all(hook.path.to_bytes()));
    drop(match outcome {
        Outcome::Succeeded => Ok(()),
        Outcome::Exited(code) => write!(cursor, "\0exit status: {code}: "),
        Outcome::Signalled(signal) => write!(cursor, "\0signal: {signal}: "),
        Outcome::Late(seconds) => write!(cursor, "\0still running after {seconds} s"),
    });
    drop(cursor.write_all(&said.bytes[..said.length]));
    let length = usize::try_from(cursor.position()).unwrap_or(0);
    let told = Fault::new(stage.name(), &text[..length], Errno::CANCELED).with(Class::Hook);
    let report = setup.report.as_ref().map_or(setup.channel, AsFd::as_fd);
    channel::send_failure(report, 0, &told);
    Fault::new(stage.name(), b"", Errno::CANCELED).with(Class::Told)
}

fn one(
    setup: &Setup<'_>,
    hook: &Program,
    document: &Document,
    said: &mut Said,
) -> Result<Outcome, Errno> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (heard, speaks) = pipe_with(PipeFlags::CLOEXEC)?;
    let child = Clone::default()
        .spawn(|| execute(setup, hook, (reader.as_fd(), speaks.as_fd())))
        .map_err(|error| errno(&error))?;
    drop((reader, speaks));
    tell(writer.as_fd(), document, setup.pid)?;
    drop(writer);
    wait(&child, hook.timeout, heard.as_fd(), said)
}

/// The hook's process.
fn execute(
    setup: &Setup<'_>,
    hook: &Program,
    (stdin, output): (BorrowedFd<'_>, BorrowedFd<'_>),
) -> u8 {
    let ready = sys::fds::duplicate_to(stdin, 0)
        .and_then(|()| sys::fds::duplicate_to(output, 1))
        .and_then(|()| sys::fds::duplicate_to(output, 2))
        .and_then(|()| sys::fds::close_all_but(&[]))
        .and_then(|()| sys::signal::reset())
        .and_then(|()| filtered(setup, hook));
    if ready.is_ok() {
        let process = &setup.plan.process;
        match &hook.environment {
            Some(own) => sys::exec::execve(&hook.path, &hook.arguments, own),
            // COMPAT: the program's own, as runc's hooks of this list have.
            None => sys::exec::execve_with(
                &hook.path,
                &hook.arguments,
                &process.environment,
                setup.identity.home(),
            ),
        };
    }
    127
}

/// A hook of the start is under the container's filter; the init itself is not yet.
fn filtered(setup: &Setup<'_>, hook: &Program) -> io::Result<()> {
    match &setup.plan.filter {
        Some(filter) if hook.under_filter && !setup.filtered => {
            sys::seccomp::load(&filter.instructions, filter.flags).map(drop)
        }
        _ => Ok(()),
    }
}

/// Writes the state, with the pid in its place. A hook that does not read is no fault.
fn tell(pipe: BorrowedFd<'_>, document: &Document, pid: i32) -> Result<(), Errno> {
    let mut number = [b' '; 10];
    let mut rest = pid.unsigned_abs();
    for digit in number.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let (head, tail) = document.bytes.split_at(document.pid);
    for mut part in [head, &number, tail.get(number.len()..).unwrap_or(&[])] {
        while !part.is_empty() {
            match rustix::io::write(pipe, part) {
                Ok(written) => part = &part[written..],
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// Waits for the end, hearing what the hook says: who has said too much must not be stuck.
fn wait(
    child: &Child,
    timeout: Option<i64>,
    heard: BorrowedFd<'_>,
    said: &mut Said,
) -> Result<Outcome, Errno> {
    let end = timeout.map(|seconds| clock_gettime(ClockId::Monotonic).tv_sec + seconds);
    let mut late = false;
    let mut silent = false;
    loop {
        let left = end.map(|end| Timespec {
            tv_sec: (end - clock_gettime(ClockId::Monotonic).tv_sec).max(0),
            tv_nsec: 0,
        });
        let ended = PollFd::new(&child.pidfd, PollFlags::IN);
        let mut waited = [ended, PollFd::from_borrowed_fd(heard, PollFlags::IN)];
        let count = if silent { 1 } else { 2 };
        if poll(&mut waited[..count], left.as_ref())? == 0 {
            late = true;
            pidfd_send_signal(&child.pidfd, Signal::KILL)?;
            break;
        }
        if !silent && !waited[1].revents().is_empty() {
            silent = hear(heard, said)? == 0;
        } else if !waited[0].revents().is_empty() {
            break;
        }
    }
    let status = rustix::io::retry_on_intr(|| {
        waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)
    })?;
    let exit = status.as_ref().and_then(|status| status.exit_status());
    let signal = status
        .as_ref()
        .and_then(|status| status.terminating_signal());
    match (exit, signal) {
        (Some(0), _) => Ok(Outcome::Succeeded),
        _ if late => Ok(Outcome::Late(timeout.unwrap_or(0))),
        (Some(127), _) if said.length == 0 => Err(Errno::NOENT),
        (Some(code), _) => Ok(Outcome::Exited(code)),
        (None, signal) => Ok(Outcome::Signalled(signal.unwrap_or(0))),
    }
}

/// Takes one piece; how long it was.
fn hear(heard: BorrowedFd<'_>, said: &mut Said) -> Result<usize, Errno> {
    let mut piece = [0_u8; 512];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(heard, &mut piece))?;
    let room = said.bytes.len() - said.length;
    let kept = length.min(room);
    said.bytes[said.length..said.length + kept].copy_from_slice(&piece[..kept]);
    said.length += kept;
    Ok(length)
}
