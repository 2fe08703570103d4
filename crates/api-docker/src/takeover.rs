//! Connections that stop speaking HTTP and carry a container's streams.

use crate::body::{Body, BodyError, Response, Sent};
use crate::legacy::Sniffed;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::task::TaskTracker;

/// A socket that speaks no protocol any more.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) fd: OwnedFd,
    /// What the client sent after its request and was read already.
    pub(crate) unread: Vec<u8>,
}

/// How a request's connection can be taken over.
pub(crate) enum Takeover {
    /// By hyper's upgrade, after which the socket is ours.
    Upgrade(OnUpgrade),
    /// Not at all: the two bodies carry the streams, through a pair of sockets.
    Relay(Sent),
}

/// How the streams are framed, which the answer's media type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/vnd.docker.raw-stream`; also what clients before API 1.42 get always.
    Raw,
    /// `application/vnd.docker.multiplexed-stream`.
    Multiplexed,
}

impl MediaType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "application/vnd.docker.raw-stream",
            Self::Multiplexed => "application/vnd.docker.multiplexed-stream",
        }
    }
}

impl Takeover {
    /// The answer, and what becomes the socket once that was written.
    pub(crate) fn begin(
        self,
        media_type: MediaType,
        tracker: &TaskTracker,
    ) -> io::Result<(Response, Pending)> {
        match self {
            Self::Upgrade(upgrade) => {
                let pending = Pending::Upgrade(upgrade, tracker.clone());
                Ok((switching(media_type), pending))
            }
            Self::Relay(incoming) => {
                let (ours, theirs) = UnixStream::pair()?;
                let (read, write) = ours.into_split();
                tracker.spawn(copy_in(incoming, write));
                let response = streaming(media_type, read);
                Ok((response, Pending::Pair(theirs)))
            }
        }
    }
}

/// A connection that is being taken over.
pub(crate) enum Pending {
    Upgrade(OnUpgrade, TaskTracker),
    Pair(UnixStream),
}

impl Pending {
    /// The socket, after the answer's head was written to it.
    pub(crate) async fn socket(self) -> io::Result<Socket> {
        match self {
            Self::Pair(stream) => Ok(Socket {
                fd: stream.into_std()?.into(),
                unread: Vec::new(),
            }),
            Self::Upgrade(upgrade, tracker) => {
                let upgraded = upgrade.await.map_err(io::Error::other)?;
                let parts = upgraded
                    .downcast::<TokioIo<Sniffed>>()
                    .map_err(|_| io::Error::other("the connection is of an unknown type"))?;
                let (stream, ahead) = parts.io.into_inner().into_parts();
                let mut unread = parts.read_buf.to_vec();
                unread.extend_from_slice(&ahead);
                Ok(Socket {
                    fd: stream.into_fd(&tracker)?,
                    unread,
                })
            }
        }
    }
}

fn switching(media_type: MediaType) -> Response {
    let mut response = crate::body::empty(StatusCode::SWITCHING_PROTOCOLS);
    let phrase = ReasonPhrase::from_static(b"UPGRADED");
    response.extensions_mut().insert(phrase);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type.name()),
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    response
}

fn streaming(media_type: MediaType, read: OwnedReadHalf) -> Response {
    let frames = futures_util::stream::unfold(read, |mut read| async {
        let mut piece = Vec::with_capacity(32 << 10);
        match read.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(Frame::data(Bytes::from(piece))), read)),
            Err(error) => Some((Err(BodyError::from(error)), read)),
        }
    });
    let body: Body = StreamBody::new(frames).boxed_unsync();
    let mut response = Response::new(body);
    let media_type = HeaderValue::from_static(media_type.name());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

/// Copies a request's body; its end is the end of stdin.
async fn copy_in(mut incoming: Sent, mut write: OwnedWriteHalf) {
    while let Some(Ok(frame)) = incoming.frame().await {
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if write.write_all(&piece).await.is_err() {
            return;
        }
    }
    // The reader may have gone first, which is no fault.
    drop(write.shutdown().await);
}
