//! Staying with a process: its signals, its terminal, its end.

use anyhow::{Context, Result};
use container::Init;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use rustix::termios::{
    OptionalActions, OutputModes, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr,
    tcsetwinsize,
};
use std::os::fd::{AsFd, OwnedFd};

/// Signals that are about us, not about the process.
const OURS: [i32; 3] = [libc::SIGCHLD, libc::SIGPIPE, libc::SIGURG];

/// The signals that come while a process is made and runs.
#[derive(Debug)]
pub(crate) struct Signals {
    descriptor: OwnedFd,
}

impl Signals {
    /// From now on signals wait until they are looked at.
    pub(crate) fn catch(subreaper: bool) -> Result<Self> {
        if subreaper {
            let own = rustix::process::getpid();
            rustix::process::set_child_subreaper(Some(own)).context("become a subreaper")?;
        }
        sys::signal::block_all().context("block signals")?;
        let descriptor = sys::signal::descriptor().context("make a signal descriptor")?;
        Ok(Self { descriptor })
    }

    /// Stays until the process ends; its exit status, or 128 and the signal's number.
    pub(crate) fn supervise(&self, init: &Init, mut terminal: Option<Terminal>) -> Result<u8> {
        loop {
            self.wait(terminal.as_ref())?;
            if let Some(terminal) = &mut terminal {
                terminal.pump()?;
            }
            while let Some(signal) = self.next()? {
                let status = match signal {
                    libc::SIGCHLD => reap(init.pid())?,
                    signal => {
                        pass_on(init, terminal.as_ref(), signal)?;
                        None
                    }
                };
                if let Some(status) = status {
                    terminal.as_mut().map_or(Ok(()), Terminal::drain)?;
                    return Ok(code(status));
                }
            }
        }
    }

    fn next(&self) -> Result<Option<i32>> {
        sys::signal::take(&self.descriptor).context("read a signal")
    }

    fn wait(&self, terminal: Option<&Terminal>) -> Result<()> {
        let mut fds = vec![PollFd::new(&self.descriptor, PollFlags::IN)];
        if let Some(terminal) = terminal {
            terminal.watch(&mut fds);
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno).context("wait for the process"),
        }
    }
}

/// Kills a process and waits for its end.
pub(crate) fn end(init: &Init) {
    // One that has ended already is as good.
    drop(sys::pidfd::send_signal(init.pidfd(), libc::SIGKILL));
    if let Some(pid) = Pid::from_raw(init.pid()) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
    }
}

/// A new size of our terminal is for the process' terminal, other signals are for the process.
fn pass_on(init: &Init, terminal: Option<&Terminal>, signal: i32) -> Result<()> {
    match terminal {
        Some(terminal) if signal == libc::SIGWINCH => terminal.resize(),
        _ if OURS.contains(&signal) => {}
        _ => forward(init, signal)?,
    }
    Ok(())
}

fn forward(init: &Init, signal: i32) -> Result<()> {
    match sys::pidfd::send_signal(init.pidfd(), signal) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
            Err(error).context("forward a signal")
        }
        _ => Ok(()),
    }
}

/// Reaps every child that has ended, also those that others left to us; the one's status.
fn reap(pid: i32) -> Result<Option<WaitStatus>> {
    let mut found = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((ended, status))) if ended.as_raw_pid() == pid => found = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(found),
            Err(errno) => return Err(errno).context("wait for the process"),
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Our terminal on one side, the process' on the other.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: OwnedFd,
    /// What our terminal was before.
    before: Option<Termios>,
    input_open: bool,
    output_open: bool,
}

impl Terminal {
    /// Joins our terminal with the process', if it has one; before the process writes to it.
    pub(crate) fn of(init: &mut Init) -> Result<Option<Self>> {
        init.take_console().map(Self::new).transpose()
    }

    fn new(master: OwnedFd) -> Result<Self> {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(std::io::stdin(), OptionalActions::Flush, &raw)
                .context("set the terminal to raw mode")?;
        }
        // COMPAT: programs that read our output expect lines as without a terminal.
        if let Ok(mut attributes) = tcgetattr(&master) {
            attributes.output_modes.remove(OutputModes::ONLCR);
            tcsetattr(&master, OptionalActions::Now, &attributes)
                .context("set the container's terminal")?;
        }
        let terminal = Self {
            master,
            before,
            input_open: true,
            output_open: true,
        };
        terminal.resize();
        Ok(terminal)
    }

    /// Gives the process' terminal the size of ours, if we have one.
    fn resize(&self) {
        let ours: Option<Winsize> = tcgetwinsize(std::io::stdin())
            .or_else(|_| tcgetwinsize(std::io::stdout()))
            .ok()
            .filter(|size| size.ws_row != 0);
        if let Some(size) = ours {
            // Without a size programs fall back to 24 by 80.
            let _ = tcsetwinsize(&self.master, size);
        }
    }

    fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        if self.output_open {
            fds.push(PollFd::new(&self.master, PollFlags::IN));
        }
        if self.input_open {
            fds.push(PollFd::from_borrowed_fd(
                rustix::stdio::stdin(),
                PollFlags::IN,
            ));
        }
    }

    /// Copies what is there, both ways.
    fn pump(&mut self) -> Result<()> {
        if self.output_open && ready(&self.master)? {
            self.output_open = copy(&self.master, &rustix::stdio::stdout())?;
        }
        if self.input_open && ready(&rustix::stdio::stdin())? {
            self.input_open = copy(&rustix::stdio::stdin(), &self.master)?;
        }
        Ok(())
    }

    /// Copies what a process left in its terminal.
    fn drain(&mut self) -> Result<()> {
        while self.output_open && ready(&self.master)? {
            self.output_open = copy(&self.master, &rustix::stdio::stdout())?;
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is nothing else to be done about a terminal that went away.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}

fn ready(fd: &impl AsFd) -> Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let now = rustix::event::Timespec::default();
    match poll(&mut fds, Some(&now)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno).context("look at the terminal"),
    }
}

/// Copies one piece; says whether there can be more.
fn copy(from: &impl AsFd, to: &impl AsFd) -> Result<bool> {
    let mut buffer = [0_u8; 8192];
    let count = match rustix::io::read(from, &mut buffer) {
        // A terminal whose last process has gone answers EIO.
        Ok(0) | Err(Errno::IO) => return Ok(false),
        Ok(count) => count,
        Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
        Err(errno) => return Err(errno).context("read the terminal"),
    };
    let mut rest = &buffer[..count];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::new(to, PollFlags::OUT)];
                poll(&mut fds, None).context("wait for the terminal")?;
            }
            // Nobody reads any more.
            Err(Errno::IO | Errno::PIPE) => return Ok(false),
            Err(errno) => return Err(errno).context("write to the terminal"),
        }
    }
    Ok(true)
}
