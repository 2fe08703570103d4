//! Bodies: documents written and read, and streams of them.

use crate::error::{Error, Result};
use crate::legacy::Turn;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, Empty, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use serde::Serialize;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// What a body may fail with: then the connection is cut.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;
/// An answer.
pub(crate) type Response = http::Response<Body>;

/// The largest JSON document that is read.
const LARGEST_DOCUMENT: usize = 4 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// How long what a client still sends is taken from it though nobody reads it.
const UNHEARD: Duration = Duration::from_secs(30);

/// What a client sends. What of it nobody reads is still taken for a while: a client that is
/// refused, by whatever comes first, hears why once it has sent all.
#[derive(Debug)]
pub(crate) struct Sent {
    body: Option<Incoming>,
    /// Its request's, until nothing of it is left to be read.
    turn: Arc<Turn>,
}

impl Sent {
    pub(crate) fn new(body: Incoming, turn: Arc<Turn>) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        Self { body, turn }
    }

    /// The pieces, one after the other.
    pub(crate) fn pieces(self) -> BodyDataStream<Self> {
        self.into_data_stream()
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let next = ready!(Pin::new(body).poll_frame(context));
        if !matches!(next, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(next.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|rest| !rest.is_end_stream());
        if let Some(mut rest) = rest
            && let Ok(runtime) = Handle::try_current()
        {
            let taken = async move { while let Some(Ok(_)) = rest.frame().await {} };
            let turn = Arc::clone(&self.turn);
            runtime.spawn(async move {
                if tokio::time::timeout(UNHEARD, taken).await.is_err() {
                    turn.give_up();
                }
            });
        }
    }
}

fn full(status: StatusCode, media_type: HeaderValue, bytes: Bytes) -> Response {
    let body = Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}

/// A document with a status.
pub(crate) fn json<T: Serialize>(status: StatusCode, document: &T) -> Response {
    match serde_json::to_vec(document) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            full(status, JSON, bytes.into())
        }
        Err(error) => {
            let message = format!("cannot write the answer: {error}");
            text(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

/// A document with status 200.
pub(crate) fn ok<T: Serialize>(document: &T) -> Response {
    json(StatusCode::OK, document)
}

/// Plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    full(status, TEXT, text.into())
}

/// An answer without body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// The writing end of a streamed body; it waits for a slow client.
#[derive(Clone, Debug)]
pub(crate) struct Writer(mpsc::Sender<Result<Bytes>>);

impl Writer {
    /// Sends bytes; an error says that the client is gone.
    pub(crate) async fn send(&self, bytes: impl Into<Bytes>) -> io::Result<()> {
        let sent = self.0.send(Ok(bytes.into())).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Sends a document and a line's end; an error says that the client is gone.
    pub(crate) async fn document<T: Serialize>(&self, document: &T) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(document)?;
        bytes.push(b'\n');
        self.send(bytes).await
    }

    /// Cuts the connection, so that the client sees that something is missing.
    pub(crate) async fn fail(&self, error: Error) {
        // A client that is gone needs to hear nothing.
        drop(self.0.send(Err(error)).await);
    }

    /// Cuts the connection because the daemon stops: the answer is not whole, and the client sees
    /// that.
    pub(crate) fn interrupt(&self) {
        // One that does not take what waits for it is cut off by the daemon's end.
        drop(self.0.try_send(Err(Error::stopping())));
    }

    /// Ends when the client is gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl std::error::Error for Error {}

/// An answer that keeps something until all of it is sent.
pub(crate) fn until_sent(response: Response, kept: impl Send + 'static) -> Response {
    if response.body().size_hint().exact().is_some() {
        // It is whole.
        return response;
    }
    response.map(|body| {
        let frames = body.map_frame(move |frame| {
            let _kept = &kept;
            frame
        });
        frames.boxed_unsync()
    })
}

/// A body that is written while it is sent.
pub(crate) fn stream(media_type: &'static str) -> (Writer, Response) {
    let (sender, receiver) = mpsc::channel(16);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
        let item: Result<Bytes> = receiver.recv().await?;
        Some((item.map(Frame::data).map_err(BodyError::from), receiver))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let media_type = HeaderValue::from_static(media_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    (Writer(sender), response)
}

/// Reads a small body whole.
pub(crate) async fn read<B>(body: B) -> Result<Bytes>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    match Limited::new(body, LARGEST_DOCUMENT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("request body is larger than {LARGEST_DOCUMENT} bytes"),
        )),
        Err(error) => Err(Error::bad_request(format!("cannot read the body: {error}"))),
    }
}

/// Reads a document's bytes; without body they are empty.
///
/// COMPAT: a body must say that it is JSON, as dockerd demands.
pub(crate) async fn read_json<B>(headers: &HeaderMap, body: B) -> Result<Bytes>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let bytes = read(body).await?;
    let media_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = media_type.is_some_and(|value| {
        let name = value.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    match media_type {
        Some(media_type) if !is_json && !bytes.is_empty() => Err(Error::bad_request(format!(
            "unsupported Content-Type header ({}): must be 'application/json'",
            String::from_utf8_lossy(media_type)
        ))),
        None if !bytes.is_empty() => Err(Error::bad_request(
            "malformed Content-Type header (): mime: no media type",
        )),
        _ => Ok(bytes),
    }
}

/// The error of a document that cannot be read.
pub(crate) fn invalid(error: &docker_schema::DecodeError) -> Error {
    Error::bad_request(match error.is_trailing() {
        true => error.to_string(),
        false => format!("invalid JSON: {error}"),
    })
}
