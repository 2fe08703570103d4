//! The process's own standard streams, used without ever blocking the command.
//!
//! Their descriptors are shared with other processes, so `O_NONBLOCK` must not be set on them.
//! Reading waits for readiness; writing uses `RWF_NOWAIT` where the kernel has it (pipes since
//! 6.4, sockets), else waits for readiness and writes little at a time. So a signal is still
//! forwarded while a pager holds our output back. Regular files are read and written directly.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a pipe or terminal takes without blocking once it is writable.
const SURE: usize = 4096;

/// A standard stream with its registration, made when first waited for.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    interest: Interest,
    registered: Option<AsyncFd<OwnedFd>>,
    /// Whether readiness says anything: not for regular files.
    pollable: bool,
    nowait: bool,
}

impl Stream {
    /// Standard input.
    pub(crate) fn input() -> io::Result<Self> {
        Self::new(io::stdin().as_fd(), Interest::READABLE)
    }

    /// Standard output.
    pub(crate) fn output() -> io::Result<Self> {
        Self::new(io::stdout().as_fd(), Interest::WRITABLE)
    }

    /// Standard error.
    pub(crate) fn error() -> io::Result<Self> {
        Self::new(io::stderr().as_fd(), Interest::WRITABLE)
    }

    fn new(fd: BorrowedFd<'_>, interest: Interest) -> io::Result<Self> {
        Ok(Self {
            fd: fd.try_clone_to_owned()?,
            interest,
            registered: None,
            pollable: true,
            nowait: true,
        })
    }

    /// Reads what there is; 0 at the end.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.ready().await?;
            match rustix::io::read(&self.fd, &mut *buffer) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes).await?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.nowait {
            let slices = [IoSlice::new(bytes)];
            let here = u64::MAX;
            match rustix::io::pwritev2(&self.fd, &slices, here, ReadWriteFlags::NOWAIT) {
                Err(Errno::AGAIN) => {
                    self.ready().await?;
                    return Ok(0);
                }
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => {
                    self.nowait = false;
                }
                Err(Errno::INTR) => return Ok(0),
                result => return Ok(result?),
            }
        }
        self.ready().await?;
        let sure = match self.pollable {
            true => bytes.get(..SURE).unwrap_or(bytes),
            false => bytes,
        };
        match rustix::io::write(&self.fd, sure) {
            Err(Errno::INTR | Errno::AGAIN) => Ok(0),
            result => Ok(result?),
        }
    }

    /// Waits until reading or writing does not block.
    async fn ready(&mut self) -> io::Result<()> {
        while self.pollable && !self.is_ready()? {
            self.register()?;
            if let Some(registered) = &self.registered {
                let mut guard = registered.ready(self.interest).await?;
                // Edge-triggered: forget the edge, then look again.
                guard.clear_ready();
                if self.is_ready()? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor keeps its demands"
    )]
    fn register(&mut self) -> io::Result<()> {
        if self.registered.is_none() {
            // EPERM: a regular file, which is always ready.
            match AsyncFd::with_interest(self.fd.try_clone()?, self.interest) {
                Ok(registered) => self.registered = Some(registered),
                Err(_) => self.pollable = false,
            }
        }
        Ok(())
    }

    fn is_ready(&self) -> io::Result<bool> {
        let wanted = match self.interest.is_readable() {
            true => PollFlags::IN,
            false => PollFlags::OUT,
        };
        let mut fds = [PollFd::new(&self.fd, wanted)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
