//! A caller's connection: requests with descriptors in, answers with descriptors out.

use crate::poll::{Interest, Poll, Token};
use proto::prost::Message as _;
use proto::{Frame, Kind, Request, Response};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors that the kernel takes in one message.
const DESCRIPTORS: usize = 253;
/// Descriptors that may wait for the requests they belong to.
const WAITING: usize = 2 * DESCRIPTORS;
/// How much an answer queue may hold before its caller is taken for dead.
const QUEUE: usize = 8 << 20;

/// One request that has arrived whole.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which of the connection's calls it is.
    pub stream: u32,
    /// What is asked.
    pub request: Request,
}

/// An answer that could not be sent at once.
#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

/// A caller.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    incoming: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    outgoing: VecDeque<Outgoing>,
    watched: Interest,
}

impl Connection {
    /// The caller at the other end of `socket`.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            incoming: Vec::new(),
            descriptors: VecDeque::new(),
            outgoing: VecDeque::new(),
            watched: Interest::READ,
        }
    }

    /// Waits for the caller to take answers only while there are some.
    pub(crate) fn watch(&mut self, poll: &Poll, token: Token) {
        let wanted = Interest {
            read: true,
            write: self.is_behind(),
        };
        if wanted != self.watched && poll.change(&self.socket, token, wanted).is_ok() {
            self.watched = wanted;
        }
    }

    /// Whether answers wait for the caller to read.
    pub(crate) fn is_behind(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Reads what there is by way of `buffer`; false once the caller has gone.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut parts = [IoSliceMut::new(buffer)];
        let received = match recvmsg(&self.socket, &mut parts, &mut control, flags) {
            Ok(received) => received.bytes,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(Errno::CONNRESET) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if self.descriptors.len() > WAITING {
            return Err(io::Error::other("more descriptors than requests name"));
        }
        self.incoming
            .extend_from_slice(buffer.get(..received).unwrap_or_default());
        Ok(received > 0)
    }

    /// The next request that is there whole.
    ///
    /// # Errors
    /// If the bytes are no request: the connection is of no use then.
    pub(crate) fn next_call(&mut self) -> io::Result<Option<Call>> {
        let Some((frame, length)) = Frame::decode(&self.incoming).map_err(io::Error::other)? else {
            return Ok(None);
        };
        if frame.kind != Kind::Request {
            return Err(io::Error::other("a response to a server"));
        }
        let request = Request::decode(frame.payload).map_err(io::Error::other)?;
        let stream = frame.stream;
        self.incoming.drain(..length);
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        Ok(Some(Call { stream, request }))
    }

    /// The first `count` descriptors that have come; `None` if there are fewer.
    pub(crate) fn take(&mut self, count: u32) -> Option<Vec<OwnedFd>> {
        let count = usize::try_from(count).ok()?;
        (count <= self.descriptors.len()).then(|| self.descriptors.drain(..count).collect())
    }

    /// Answers call `stream`; what cannot be sent now waits.
    pub(crate) fn answer(
        &mut self,
        stream: u32,
        response: &Response,
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        Frame::encode(stream, Kind::Response, response, &mut bytes).map_err(io::Error::other)?;
        self.outgoing.push_back(Outgoing {
            bytes,
            sent: 0,
            descriptors,
        });
        self.send()?;
        let queued: usize = self.outgoing.iter().map(|out| out.bytes.len()).sum();
        if queued > QUEUE {
            return Err(io::Error::other("the caller reads no answers"));
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        while let Some(first) = self.outgoing.front_mut() {
            match send(self.socket.as_fd(), first) {
                Ok(sent) => {
                    first.sent += sent;
                    first.descriptors.clear();
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            if first.sent == first.bytes.len() {
                self.outgoing.pop_front();
            }
        }
        self.outgoing = VecDeque::new();
        Ok(())
    }
}

fn send(socket: BorrowedFd<'_>, out: &Outgoing) -> Result<usize, Errno> {
    let borrowed: Vec<_> = out.descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(Errno::INVAL);
    }
    let part = IoSlice::new(out.bytes.get(out.sent..).unwrap_or_default());
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[part], &mut control, flags)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
