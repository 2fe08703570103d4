//! Answers and their bodies.

use crate::error::Error;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame};
use serde::Serialize;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of a file that are read at once.
const CHUNK: u64 = 256 << 10;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Answer = Response<Body>;

pub(crate) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    bytes(status, Bytes::new())
}

pub(crate) fn bytes(status: StatusCode, bytes: impl Into<Bytes>) -> Answer {
    let body = Full::new(bytes.into()).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// A document of a type.
pub(crate) fn json(status: StatusCode, media_type: &str, document: &impl Serialize) -> Answer {
    match serde_json::to_vec(document) {
        Ok(text) => with(bytes(status, text), CONTENT_TYPE, media_type),
        Err(error) => refusal(&Error::unknown(error)),
    }
}

/// The specification's list of errors.
pub(crate) fn refusal(error: &Error) -> Answer {
    let list = serde_json::json!({
        "errors": [{"code": error.code, "message": error.message}],
    });
    json(error.status, "application/json", &list)
}

/// The answer with one more header; a value that no header can carry is left out.
pub(crate) fn with(mut answer: Answer, name: HeaderName, value: impl ToString) -> Answer {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        answer.headers_mut().append(name, value);
    }
    answer
}

/// The answer to `HEAD`: its headers alone, which tell what a body would be.
pub(crate) fn head(answer: Answer) -> Answer {
    let (parts, body) = answer.into_parts();
    let answer = Response::from_parts(parts, empty(StatusCode::OK).into_body());
    match body.size_hint().exact() {
        Some(size) if !answer.headers().contains_key(CONTENT_LENGTH) => {
            with(answer, CONTENT_LENGTH, size)
        }
        _ => answer,
    }
}

/// A stretch of a file, read as it goes.
pub(crate) fn file(status: StatusCode, file: File, from: u64, len: u64) -> Answer {
    let file = Arc::new(file);
    let pieces = futures_util::stream::unfold(0, move |done| {
        let file = Arc::clone(&file);
        async move {
            if done >= len {
                return None;
            }
            let count = CHUNK.min(len - done);
            let read = move || {
                let mut piece = BytesMut::zeroed(usize::try_from(count).unwrap_or_default());
                file.read_exact_at(&mut piece, from + done)?;
                Ok(piece.freeze())
            };
            let piece = tokio::task::spawn_blocking(read).await;
            let piece = piece.map_err(io::Error::other).flatten();
            Some((piece.map(Frame::data), done + count))
        }
    });
    let mut answer = Response::new(BodyExt::boxed_unsync(StreamBody::new(pieces)));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_has_no_body_and_tells_its_length() {
        let refused = || refusal(&Error::unsupported("no"));
        let length = refused().into_body().size_hint().exact().unwrap();
        let answer = head(refused());
        assert_eq!(answer.status(), refused().status());
        assert_eq!(answer.headers()[CONTENT_LENGTH], length.to_string());
        assert!(
            answer
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
        // What is told already stays.
        let told = head(with(empty(StatusCode::OK), CONTENT_LENGTH, 7));
        assert_eq!(told.headers().get_all(CONTENT_LENGTH).iter().count(), 1);
        assert_eq!(told.headers()[CONTENT_LENGTH], "7");
    }
}
