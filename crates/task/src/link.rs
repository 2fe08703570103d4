//! A connection to a shim: calls and their answers, many at a time.

use proto::prost::Message as _;
use proto::{Frame, Kind, Request, Response};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// The most descriptors in one message.
const DESCRIPTORS: usize = 253;
/// How much is read at once.
const CHUNK: usize = 4 << 10;

/// Why a call got no answer: the shim has gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

type Waiting = HashMap<u32, oneshot::Sender<Response>>;

/// A connection. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: UnixStream,
    /// `None` once the shim has gone.
    waiting: Mutex<Option<Waiting>>,
    writing: tokio::sync::Mutex<()>,
    streams: AtomicU32,
}

impl Link {
    /// A connection over `socket`. [`Self::serve`] must run for calls to be answered.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Inner {
            socket,
            waiting: Mutex::new(Some(HashMap::new())),
            writing: tokio::sync::Mutex::new(()),
            streams: AtomicU32::new(1),
        }))
    }

    /// Whether `other` is this connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the shim has gone, or is to go.
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting(|waiting| waiting.is_none())
    }

    /// Ends the connection: a shim without containers goes then.
    pub(crate) fn close(&self) {
        self.waiting(mem::take);
        // One that has gone already needs no more.
        let _ = rustix::net::shutdown(&self.0.socket, rustix::net::Shutdown::Both);
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut Option<Waiting>) -> T) -> T {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        with(&mut waiting)
    }

    /// Asks, with descriptors, and waits for the answer.
    pub(crate) async fn call(
        &self,
        method: &str,
        payload: Vec<u8>,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Response, Gone> {
        let stream = self.0.streams.fetch_add(2, Ordering::Relaxed);
        let request = Request {
            service: proto::service::SHIM.to_owned(),
            method: method.to_owned(),
            payload,
            ..Request::default()
        };
        let mut bytes = Vec::new();
        Frame::encode(stream, Kind::Request, &request, &mut bytes).map_err(|_| Gone)?;
        let (sender, receiver) = oneshot::channel();
        self.waiting(|waiting| match waiting {
            Some(waiting) => {
                waiting.insert(stream, sender);
                Ok(())
            }
            None => Err(Gone),
        })?;
        let sent = self.send(&bytes, descriptors).await;
        if sent.is_err() {
            self.waiting(|waiting| waiting.as_mut().and_then(|waiting| waiting.remove(&stream)));
            return Err(Gone);
        }
        receiver.await.map_err(|_| Gone)
    }

    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let _turn = self.0.writing.lock().await;
        let mut sent = 0;
        while sent < bytes.len() {
            self.0.socket.writable().await?;
            let rest = bytes.get(sent..).unwrap_or_default();
            let with = if sent == 0 { descriptors } else { &[] };
            let written = self.0.socket.try_io(Interest::WRITABLE, || {
                send_once(self.0.socket.as_fd(), rest, with)
            });
            match written {
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads answers until the shim has gone; then every call that waits fails.
    pub(crate) async fn serve(&self) {
        // What it says of the end does not matter: the shim is of no use any more.
        drop(self.read().await);
        self.waiting(mem::take);
    }

    async fn read(&self) -> io::Result<()> {
        let mut incoming = Vec::new();
        loop {
            self.0.socket.readable().await?;
            match self.receive(&mut incoming) {
                Ok(0) => return Ok(()),
                Ok(_) => self.deliver(&mut incoming)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends what has come. There is a connection for each container, most of them silent: what
    /// they would read into is on the stack.
    fn receive(&self, incoming: &mut Vec<u8>) -> io::Result<usize> {
        let mut chunk = [0; CHUNK];
        let read = self.0.socket.try_read(&mut chunk)?;
        incoming.extend_from_slice(chunk.get(..read).unwrap_or_default());
        Ok(read)
    }

    fn deliver(&self, incoming: &mut Vec<u8>) -> io::Result<()> {
        let mut read = 0;
        while let Some((frame, length)) =
            Frame::decode(incoming.get(read..).unwrap_or_default()).map_err(io::Error::other)?
        {
            let response = Response::decode(frame.payload).map_err(io::Error::other)?;
            let stream = frame.stream;
            read += length;
            let waiting = self
                .waiting(|waiting| waiting.as_mut().and_then(|waiting| waiting.remove(&stream)));
            // Whoever asked may have gone meanwhile.
            waiting.map(|waiting| waiting.send(response));
        }
        incoming.drain(..read);
        if incoming.is_empty() {
            *incoming = Vec::new();
        }
        Ok(())
    }
}

fn send_once(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        flags,
    )?)
}
