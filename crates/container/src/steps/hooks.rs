//! Hooks: the parent's are asked for, the container's own are executed here.

use super::Setup;
use crate::channel::{self, Tag};
use crate::fault::{During, Fault, errno};
use crate::hooks::{Document, Program};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
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
    all(
        &container.hooks.create_container,
        &container.hooks.creating,
        setup.pid,
    )
}

pub(super) fn start_container<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    match setup.container() {
        Some(container) => all(
            &container.hooks.start_container,
            &container.hooks.created,
            setup.pid,
        ),
        None => Ok(()),
    }
}

fn all<'a>(hooks: &'a [Program], document: &'a Document, pid: i32) -> Result<(), Fault<'a>> {
    for hook in hooks {
        one(hook, document, pid).on("run hook", &hook.path)?;
    }
    Ok(())
}

fn one(hook: &Program, document: &Document, pid: i32) -> Result<(), Errno> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let child = Clone::default()
        .spawn(|| execute(hook, reader.as_fd()))
        .map_err(|error| errno(&error))?;
    drop(reader);
    tell(writer.as_fd(), document, pid)?;
    drop(writer);
    wait(&child, hook.timeout)
}

/// The hook's process.
fn execute(hook: &Program, stdin: BorrowedFd<'_>) -> u8 {
    let ready = sys::fds::duplicate_to(stdin, 0)
        .and_then(|()| sys::fds::close_all_but(&[]))
        .and_then(|()| sys::signal::reset());
    if ready.is_ok() {
        sys::exec::execve(&hook.path, &hook.arguments, &hook.environment);
    }
    127
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

fn wait(child: &Child, timeout: Option<i64>) -> Result<(), Errno> {
    let mut late = false;
    if let Some(seconds) = timeout {
        let deadline = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut waited = [PollFd::new(&child.pidfd, PollFlags::IN)];
        late = poll(&mut waited, Some(&deadline))? == 0;
        if late {
            pidfd_send_signal(&child.pidfd, Signal::KILL)?;
        }
    }
    let status = rustix::io::retry_on_intr(|| {
        waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)
    })?;
    match status.and_then(|status| status.exit_status()) {
        Some(0) => Ok(()),
        _ if late => Err(Errno::TIMEDOUT),
        Some(127) => Err(Errno::NOENT),
        _ => Err(Errno::CANCELED),
    }
}
