//! The one place where the shim waits: epoll over everything it holds.

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What a descriptor stands for. The number is the owner's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The path socket.
    Listener,
    /// A child has ended: `SIGCHLD`.
    Children,
    /// A caller's connection.
    Connection(u32),
    /// A process's pidfd.
    Process(u32),
    /// A process's stdout, or its terminal.
    Stdout(u32),
    /// A process's stderr.
    Stderr(u32),
    /// The pipe to a process's stdin.
    Stdin(u32),
    /// A client attached to a process.
    Client(u32),
    /// Memory ran out in a container's cgroup.
    Memory(u32),
}

impl Token {
    fn pack(self) -> u64 {
        let (kind, key) = match self {
            Self::Listener => (0, 0),
            Self::Children => (1, 0),
            Self::Connection(key) => (2, key),
            Self::Process(key) => (3, key),
            Self::Stdout(key) => (4, key),
            Self::Stderr(key) => (5, key),
            Self::Stdin(key) => (6, key),
            Self::Client(key) => (7, key),
            Self::Memory(key) => (8, key),
        };
        kind << 32 | u64::from(key)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the key")]
    fn unpack(data: u64) -> Option<Self> {
        let key = data as u32;
        Some(match data >> 32 {
            0 => Self::Listener,
            1 => Self::Children,
            2 => Self::Connection(key),
            3 => Self::Process(key),
            4 => Self::Stdout(key),
            5 => Self::Stderr(key),
            6 => Self::Stdin(key),
            7 => Self::Client(key),
            8 => Self::Memory(key),
            _ => return None,
        })
    }
}

/// What is waited for on a descriptor; an error or a hang-up always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// That it can be read.
    pub read: bool,
    /// That it can be written.
    pub write: bool,
}

impl Interest {
    /// Reading alone.
    pub(crate) const READ: Self = Self {
        read: true,
        write: false,
    };
    /// Nothing but errors and hang-ups.
    pub(crate) const NONE: Self = Self {
        read: false,
        write: false,
    };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.read);
        flags.set(epoll::EventFlags::OUT, self.write);
        flags
    }
}

/// What happened on a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// Whose it is.
    pub token: Token,
    /// It can be read, or has ended.
    pub read: bool,
    /// It can be written, or nobody reads.
    pub write: bool,
    /// The other end is gone for good.
    pub gone: bool,
}

/// An epoll instance.
#[derive(Debug)]
pub(crate) struct Poll(OwnedFd);

impl Poll {
    /// A new one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Begins to watch `fd`.
    pub(crate) fn add(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token.pack());
        Ok(epoll::add(&self.0, fd, data, interest.flags())?)
    }

    /// Watches `fd` for something else.
    pub(crate) fn change(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token.pack());
        Ok(epoll::modify(&self.0, fd, data, interest.flags())?)
    }

    /// Watches `fd` no more.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// Waits until something happens or `timeout` is over, and fills `ready`.
    pub(crate) fn wait(
        &self,
        events: &mut Vec<epoll::Event>,
        ready: &mut Vec<Ready>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        events.clear();
        ready.clear();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match epoll::wait(&self.0, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let gone = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
        for event in events.iter() {
            let flags = event.flags;
            let Some(token) = Token::unpack(event.data.u64()) else {
                continue;
            };
            ready.push(Ready {
                token,
                read: flags.intersects(epoll::EventFlags::IN | gone),
                write: flags.intersects(epoll::EventFlags::OUT | gone),
                gone: flags.intersects(gone),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_packed_and_unpacked() {
        for token in [
            Token::Listener,
            Token::Children,
            Token::Connection(1),
            Token::Process(u32::MAX),
            Token::Stdout(2),
            Token::Stderr(3),
            Token::Stdin(4),
            Token::Client(5),
            Token::Memory(6),
        ] {
            assert_eq!(Token::unpack(token.pack()), Some(token));
        }
    }
}
