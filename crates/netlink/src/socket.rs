//! Sending messages and reading what the kernel answers.

use crate::message::HEADER;
use crate::{Flags, Message};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_send_buffer_size,
    set_socket_send_buffer_size_force,
};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::{error, fmt, io};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const BUFFER: usize = 64 * 1024;

/// A connection to one family, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A message of a batch that the kernel refused.
#[derive(Debug)]
pub struct Refused {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of the batch was refused", self.index)
    }
}

impl error::Error for Refused {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Socket {
    /// The routing family: links, addresses, routes, neighbours.
    pub fn route() -> io::Result<Self> {
        Self::open(None)
    }

    /// The netfilter family: nftables, connection tracking.
    pub fn netfilter() -> io::Result<Self> {
        Self::open(Some(netlink::NETFILTER))
    }

    /// Closes it behind the caller's back: after a change to nftables the kernel has whoever closes
    /// the socket wait until it is rid of what the change replaced, an RCU grace period or two.
    pub fn close_behind(self) {
        // Without a thread the caller waits.
        drop(std::thread::Builder::new().spawn(move || drop(self)));
    }

    /// Changes to nftables, whoever makes them; [`Self::changes`] reads them.
    pub fn netfilter_changes() -> io::Result<Self> {
        /// `NFNLGRP_NFTABLES`
        const GROUP: u32 = 7;
        let socket = Self::open_in(Some(netlink::NETFILTER), 1 << (GROUP - 1))?;
        rustix::io::ioctl_fionbio(&socket.fd, true)?;
        Ok(socket)
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        Self::open_in(protocol, 0)
    }

    fn open_in(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self {
            fd,
            sequence: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// The number by which the kernel says who made a change.
    pub fn port(&self) -> io::Result<u32> {
        let address = rustix::net::getsockname(&self.fd)?;
        Ok(SocketAddrNetlink::try_from(address)?.pid())
    }

    /// Calls `each` with the kind, the maker's port and the body of every change that waits to
    /// be read; gives false if some were lost because there were too many.
    pub fn changes(&mut self, mut each: impl FnMut(u16, u32, &[u8])) -> io::Result<bool> {
        let mut whole = true;
        loop {
            match recv(&self.fd, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    for answer in Answers(&self.buffer[..length]) {
                        each(answer.kind, answer.port, answer.body);
                    }
                }
                Err(Errno::AGAIN) => return Ok(whole),
                Err(Errno::NOBUFS) => whole = false,
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Sends one message and waits for its acknowledgement.
    pub fn request(&mut self, message: Message) -> io::Result<()> {
        self.batch(vec![message]).map_err(|refused| refused.source)
    }

    /// Sends a netfilter batch, of which all is carried out or nothing: the last message that
    /// wants an acknowledgement gets one for all, so that their number has no bound.
    pub fn transaction(&mut self, mut messages: Vec<Message>) -> Result<(), Refused> {
        let wanting = messages.iter_mut().rev();
        let wanting = wanting.filter(|message| message.flags.wants_acknowledgement());
        wanting.skip(1).for_each(Message::hush);
        self.batch(messages)
    }

    /// Sends all messages at once and reads every acknowledgement they ask for.
    ///
    /// In the routing family all are carried out that are not refused.
    pub fn batch(&mut self, mut messages: Vec<Message>) -> Result<(), Refused> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for message in &mut messages {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(message.seal(self.sequence));
        }
        let whole = |source| Refused { index: 0, source };
        if bytes.len() > BUFFER {
            self.make_room(bytes.len()).map_err(whole)?;
        }
        send(&self.fd, &bytes, SendFlags::empty()).map_err(|e| whole(e.into()))?;
        self.acknowledged(first, &messages)
    }

    /// A large batch must fit in one datagram, and what it is answered in the queue.
    fn make_room(&self, length: usize) -> io::Result<()> {
        let (send, receive) = (length * 2, length * 4);
        // Beyond the system's limit only with the right to administer networks.
        set_socket_send_buffer_size_force(&self.fd, send)
            .or_else(|_| set_socket_send_buffer_size(&self.fd, send))?;
        set_socket_recv_buffer_size_force(&self.fd, receive)
            .or_else(|_| set_socket_recv_buffer_size(&self.fd, receive))?;
        Ok(())
    }

    /// Reads the answers to `messages`, of which the first has the number `first`. The kernel
    /// has queued all of them when it has taken the messages: one that is not there was lost.
    fn acknowledged(&mut self, first: u32, messages: &[Message]) -> Result<(), Refused> {
        let whole = |source| Refused { index: 0, source };
        let wanting = messages.iter().map(|message| message.flags);
        let mut awaited = wanting
            .filter(|flags| flags.wants_acknowledgement())
            .count();
        let mut refused: Option<Refused> = None;
        while awaited > 0 {
            let length = match recv(&self.fd, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                // Some found no room; those before them are there.
                Err(Errno::NOBUFS) => continue,
                // The begin of a refused netfilter batch answers alone.
                Err(Errno::AGAIN) if refused.is_some() => break,
                Err(Errno::AGAIN) => return Err(whole(Errno::NOBUFS.into())),
                Err(errno) => return Err(whole(errno.into())),
            };
            for answer in Answers(&self.buffer[..length]) {
                let index = answer.sequence.wrapping_sub(first) as usize;
                let Some(message) = messages.get(index).filter(|_| answer.kind == ERROR) else {
                    continue;
                };
                awaited -= usize::from(message.flags.wants_acknowledgement()).min(awaited);
                if let Err(source) = answer.verdict() {
                    refused.get_or_insert(Refused { index, source });
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Sends a dump request, and calls `each` with the kind and body of every answer.
    pub fn dump(&mut self, message: Message, each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.tell(message, each)
    }

    /// Sends a request for one thing or all of a kind ([`Flags::TELL`], [`Flags::DUMP`]), and
    /// calls `each` with the kind and body of every answer.
    pub fn tell(
        &mut self,
        mut message: Message,
        mut each: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let many = message.flags == Flags::DUMP;
        send(&self.fd, message.seal(self.sequence), SendFlags::empty())?;
        loop {
            let (length, _) = recv(&self.fd, &mut self.buffer[..], RecvFlags::empty())?;
            for answer in Answers(&self.buffer[..length]).filter(|a| a.sequence == self.sequence) {
                match answer.kind {
                    DONE => return Ok(()),
                    ERROR => return answer.verdict(),
                    kind => each(kind, answer.body),
                }
                if !many {
                    return Ok(());
                }
            }
        }
    }
}

struct Answer<'a> {
    kind: u16,
    sequence: u32,
    port: u32,
    body: &'a [u8],
}

impl Answer<'_> {
    /// An acknowledgement's error number, 0 for none.
    fn verdict(&self) -> io::Result<()> {
        let number = self
            .body
            .first_chunk::<4>()
            .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        if number == 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(-number))
        }
    }
}

/// The messages of one datagram.
struct Answers<'a>(&'a [u8]);

impl<'a> Iterator for Answers<'a> {
    type Item = Answer<'a>;

    fn next(&mut self) -> Option<Answer<'a>> {
        let head: &[u8; HEADER] = self.0.first_chunk()?;
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let body = self.0.get(HEADER..length)?;
        let answer = Answer {
            kind: u16::from_ne_bytes([head[4], head[5]]),
            sequence: u32::from_ne_bytes([head[8], head[9], head[10], head[11]]),
            port: u32::from_ne_bytes([head[12], head[13], head[14], head[15]]),
            body,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(answer)
    }
}
