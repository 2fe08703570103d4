//! What a request carries: nothing, a document, or a stretch of a file that is read as it goes.

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read at once.
const CHUNK: u64 = 256 << 10;

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a request carries. It can be sent again: after a challenge, or behind a redirect.
#[derive(Clone, Debug, Default)]
pub(crate) enum Payload {
    #[default]
    None,
    Bytes(Bytes),
    File(Stretch),
}

/// Bytes of a file.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) file: Arc<File>,
    pub(crate) from: u64,
    pub(crate) len: u64,
    pub(crate) sent: Sent,
}

/// How many bytes of a file are on their way: who waits for an answer looks at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

impl Payload {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(stretch) => stretch.len,
        }
    }

    /// How far it is, if it takes a while.
    pub(crate) fn sent(&self) -> Option<&Sent> {
        match self {
            Self::File(stretch) => Some(&stretch.sent),
            _ => None,
        }
    }

    /// The bytes, from their start.
    pub(crate) fn body(&self) -> Body {
        let whole = |bytes: Bytes| {
            Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync()
        };
        match self {
            Self::None => whole(Bytes::new()),
            Self::Bytes(bytes) => whole(bytes.clone()),
            Self::File(stretch) => stretch.body(),
        }
    }
}

impl Stretch {
    fn body(&self) -> Body {
        let stretch = self.clone();
        let pieces = futures_util::stream::unfold(0, move |done| {
            let stretch = stretch.clone();
            async move {
                stretch.sent.set(stretch.from + done);
                if done >= stretch.len {
                    return None;
                }
                let piece = tokio::task::spawn_blocking(move || stretch.piece(done)).await;
                let piece = piece.map_err(io::Error::other).flatten();
                let done = done + piece.as_ref().map_or(CHUNK, |bytes| bytes.len() as u64);
                Some((piece.map(Frame::data), done))
            }
        });
        BodyExt::boxed_unsync(StreamBody::new(pieces))
    }

    fn piece(&self, done: u64) -> io::Result<Bytes> {
        let count = usize::try_from(CHUNK.min(self.len - done)).map_err(io::Error::other)?;
        let mut piece = BytesMut::zeroed(count);
        self.file.read_exact_at(&mut piece, self.from + done)?;
        Ok(piece.freeze())
    }
}
