//! The oldest way to take a connection over: no `Upgrade` header, answered with `200`.
//!
//! hyper gives a connection away only after `101`. So the head of a request is read before hyper
//! sees it; if it is such a request, it is given the headers it lacks, and the head of the answer
//! is turned back into what the client waits for. A request that is sent before the last one is
//! answered is none: it is seen in the middle of other bytes.

use crate::stream::Stream;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Larger heads are left to hyper, which has a bound of its own.
const LARGEST_HEAD: usize = 64 << 10;
/// How much of a head is read at once.
const PIECE: usize = 4 << 10;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END: &[u8] = b"\r\n\r\n";
/// What dockerd answers to such a request.
const TAKEN_OVER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, or older.
    Http1,
    /// HTTP/2 from its first byte.
    Http2,
}

/// Whether all requests of a connection are read and answered, so that a head comes next. Clones
/// are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idle(Arc<AtomicBool>);

impl Idle {
    /// A request's turn, which lasts until its body and its answer's have let it go: bytes of
    /// either must not be taken for a head.
    pub(crate) fn turn(&self) -> Arc<Turn> {
        Arc::new(Turn {
            idle: self.clone(),
            given_up: AtomicBool::new(false),
        })
    }
}

/// The time in which a connection carries one request.
#[derive(Debug)]
pub(crate) struct Turn {
    idle: Idle,
    given_up: AtomicBool,
}

impl Turn {
    /// Its body is not read to the end: where the next head begins is not known.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let ended = !self.given_up.load(Ordering::Acquire);
        self.idle.0.store(ended, Ordering::Release);
    }
}

/// A connection whose requests' heads are looked at.
#[derive(Debug)]
pub(crate) struct Sniffed {
    stream: Stream,
    protocol: Protocol,
    idle: Idle,
    /// What is there of a head that says too little yet.
    head: Vec<u8>,
    /// Read from the client and not given on yet.
    ahead: Vec<u8>,
    answer: Answer,
}

/// What becomes of the next answer's head.
#[derive(Debug)]
enum Answer {
    /// It is written as it is.
    Plain,
    /// It is gathered, to be turned into [`TAKEN_OVER`] if it says `101`.
    Gathering(Vec<u8>),
    /// What was gathered is being written.
    Writing(Vec<u8>),
}

impl Sniffed {
    /// Reads so much of the first request as decides how the connection is to be served.
    pub(crate) async fn read(stream: Stream) -> io::Result<Self> {
        let mut sniffed = Self {
            stream,
            protocol: Protocol::Http1,
            idle: Idle::default(),
            head: Vec::with_capacity(1024),
            ahead: Vec::new(),
            answer: Answer::Plain,
        };
        poll_fn(|cx| sniffed.poll_head(cx)).await?;
        Ok(sniffed)
    }

    /// What the client speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What is to know when a head comes next.
    pub(crate) fn idle(&self) -> Idle {
        self.idle.clone()
    }

    /// Reads so much of a request as decides what it is.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut piece = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut piece);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
            let end = piece.filled().is_empty();
            self.head.extend_from_slice(piece.filled());
            let decision = decide(&self.head);
            if decision == Decision::Undecided && !end && self.head.len() < LARGEST_HEAD {
                continue;
            }
            self.idle.0.store(false, Ordering::Release);
            let head = std::mem::take(&mut self.head);
            self.ahead = match decision {
                Decision::Takeover => {
                    self.answer = Answer::Gathering(Vec::new());
                    upgrading(&head)
                }
                _ => head,
            };
            if decision == Decision::Http2 {
                self.protocol = Protocol::Http2;
            }
            return Poll::Ready(Ok(()));
        }
    }

    /// The connection, and what was read from it and not given on.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.ahead)
    }

    /// Writes what was gathered.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Answer::Writing(bytes) = &mut self.answer {
            if bytes.is_empty() {
                self.answer = Answer::Plain;
                break;
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The head of a takeover with the headers that it lacks.
fn upgrading(head: &[u8]) -> Vec<u8> {
    let line = head.iter().position(|byte| *byte == b'\n');
    let (line, rest) = head.split_at(line.map_or(0, |end| end + 1));
    let mut asked = Vec::with_capacity(head.len() + 48);
    // A request of HTTP/1.0 cannot ask for an upgrade.
    asked.extend_from_slice(line.strip_suffix(b"HTTP/1.0\r\n").unwrap_or(line));
    if asked.len() < line.len() {
        asked.extend_from_slice(b"HTTP/1.1\r\n");
    }
    asked.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: tcp\r\n");
    asked.extend_from_slice(rest);
    asked
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Undecided,
    Http1,
    Http2,
    Takeover,
}

fn decide(head: &[u8]) -> Decision {
    if head.len() < 4 || (head.starts_with(b"PRI") && head.len() < PREFACE.len()) {
        return Decision::Undecided;
    }
    if head.starts_with(PREFACE) {
        return Decision::Http2;
    }
    if !head.starts_with(b"POST") {
        return Decision::Http1;
    }
    let Some(line) = head.split(|byte| *byte == b'\n').next() else {
        return Decision::Undecided;
    };
    if line.len() == head.len() {
        return Decision::Undecided;
    }
    if !takes_over(line) {
        return Decision::Http1;
    }
    match head.windows(END.len()).position(|window| window == END) {
        None => Decision::Undecided,
        Some(end) if has_upgrade(&head[..end]) => Decision::Http1,
        Some(_) => Decision::Takeover,
    }
}

/// Whether a request line is of one of the two operations that take a connection over.
fn takes_over(line: &[u8]) -> bool {
    let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mut segments = path.rsplit(|byte| *byte == b'/');
    let last = segments.next();
    let noun = segments.nth(1);
    matches!(
        (noun, last),
        (Some(b"containers"), Some(b"attach")) | (Some(b"exec"), Some(b"start"))
    )
}

fn has_upgrade(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"upgrade")
    })
}

/// The head that the client shall see, once it is whole.
fn translate(head: &[u8]) -> Option<Vec<u8>> {
    let end = head.windows(END.len()).position(|window| window == END)? + END.len();
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Some(head.to_vec());
    }
    Some([TAKEN_OVER, &head[end..]].concat())
}

impl AsyncRead for Sniffed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            let comes_next = self.idle.0.load(Ordering::Acquire);
            if self.protocol == Protocol::Http2 || !comes_next {
                return Pin::new(&mut self.stream).poll_read(cx, buf);
            }
            ready!(self.poll_head(cx))?;
        }
        let length = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sniffed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Answer::Gathering(head) = &mut self.answer {
            head.extend_from_slice(bytes);
            if let Some(head) = translate(head) {
                self.answer = Answer::Writing(head);
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Answer::Plain = self.answer {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_takeover_without_upgrade_is_one() {
        let attach = "POST /v1.40/containers/a/attach?stream=1 HTTP/1.1\r\n";
        for (head, decision) in [
            ("GE", Decision::Undecided),
            ("GET /info HTTP/1.1\r\n", Decision::Http1),
            ("PRI * HTTP/2.0\r\n", Decision::Undecided),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Decision::Http2),
            ("POST /containers/a/start HTTP/1.1\r\n", Decision::Http1),
            ("POST /containers/a/att", Decision::Undecided),
            (attach, Decision::Undecided),
            (&format!("{attach}Host: d\r\n\r\n"), Decision::Takeover),
            (&format!("{attach}UPGRADE: tcp\r\n\r\n"), Decision::Http1),
            ("POST /exec/b/start HTTP/1.0\r\n\r\n", Decision::Takeover),
        ] {
            assert_eq!(decide(head.as_bytes()), decision, "{head:?}");
        }
    }

    #[test]
    fn the_answer_is_turned_back() {
        let taken = translate(b"HTTP/1.1 101 UPGRADED\r\nupgrade: tcp\r\n\r\nrest").unwrap();
        assert_eq!(taken, [TAKEN_OVER, b"rest"].concat());
        let error = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(translate(error).unwrap(), error);
        assert_eq!(translate(b"HTTP/1.1 101 UPGR"), None);
    }
}
