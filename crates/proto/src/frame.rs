//! A ttrpc frame: 10 bytes of header, then a message.

use std::fmt;

/// The header's length: big-endian length and stream (4 bytes each), kind, flags.
pub const HEADER: usize = 10;

/// The longest message that ttrpc peers accept: 4 MiB.
pub const MAX_PAYLOAD: usize = 4 << 20;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const DATA: u8 = 3;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A [`Request`](crate::Request).
    Request,
    /// A [`Response`](crate::Response).
    Response,
}

/// Why bytes are no frame that is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than [`MAX_PAYLOAD`].
    TooLong {
        /// The length that the header claims.
        length: usize,
    },
    /// Part of a stream of messages, which no service here has.
    Stream {
        /// The stream's number.
        stream: u32,
    },
    /// A kind that ttrpc does not have.
    Kind(u8),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(f, "message of {length} bytes is longer than {MAX_PAYLOAD}")
            }
            Self::Stream { stream } => write!(
                f,
                "ttrpc stream {stream} sends a sequence of messages, which is not supported"
            ),
            Self::Kind(kind) => write!(f, "ttrpc message type {kind} is unknown"),
        }
    }
}

impl std::error::Error for FrameError {}

/// One frame of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The call that it belongs to: clients count odd numbers up.
    pub stream: u32,
    /// What the payload is.
    pub kind: Kind,
    /// An encoded [`Request`](crate::Request) or [`Response`](crate::Response).
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes` and the length of it; `None` while it is not
    /// there whole.
    ///
    /// # Errors
    /// If the header is of a frame that is not served; the connection is of no use then.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h, kind, flags] = *header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let stream = u32::from_be_bytes([e, f, g, h]);
        if length > MAX_PAYLOAD {
            return Err(FrameError::TooLong { length });
        }
        let kind = match kind {
            // Flags say that a stream's other messages follow or have ended.
            REQUEST | RESPONSE if flags != 0 => return Err(FrameError::Stream { stream }),
            REQUEST => Kind::Request,
            RESPONSE => Kind::Response,
            DATA => return Err(FrameError::Stream { stream }),
            other => return Err(FrameError::Kind(other)),
        };
        let frame = rest.get(..length).map(|payload| Self {
            stream,
            kind,
            payload,
        });
        Ok(frame.map(|frame| (frame, HEADER + length)))
    }

    /// Appends a frame with `message` to `to`.
    ///
    /// # Errors
    /// If the message is longer than a peer accepts; nothing is appended then.
    pub fn encode(
        stream: u32,
        kind: Kind,
        message: &impl prost::Message,
        to: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let length = message.encoded_len();
        let Some(short) = u32::try_from(length).ok().filter(|_| length <= MAX_PAYLOAD) else {
            return Err(FrameError::TooLong { length });
        };
        to.reserve(HEADER + length);
        to.extend_from_slice(&short.to_be_bytes());
        to.extend_from_slice(&stream.to_be_bytes());
        to.extend_from_slice(&[
            match kind {
                Kind::Request => REQUEST,
                Kind::Response => RESPONSE,
            },
            0,
        ]);
        message.encode_raw(to);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    fn frame() -> Vec<u8> {
        let request = Request {
            service: "s".to_owned(),
            method: "m".to_owned(),
            payload: vec![1, 2],
            ..Request::default()
        };
        let mut bytes = Vec::new();
        Frame::encode(3, Kind::Request, &request, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_frame_is_ten_bytes_and_the_message() {
        let bytes = frame();
        assert_eq!(
            bytes,
            [
                0, 0, 0, 10, 0, 0, 0, 3, 1, 0, 10, 1, b's', 18, 1, b'm', 26, 2, 1, 2
            ]
        );
        let (read, length) = Frame::decode(&bytes).unwrap().unwrap();
        assert_eq!(
            (read.stream, read.kind, length),
            (3, Kind::Request, bytes.len())
        );
    }

    #[test]
    fn a_frame_is_read_once_it_is_whole() {
        let bytes = frame();
        for length in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..length]), Ok(None), "{length}");
        }
    }

    #[test]
    fn streams_and_long_messages_are_refused_by_name() {
        let mut bytes = frame();
        bytes[9] = 2;
        assert_eq!(Frame::decode(&bytes), Err(FrameError::Stream { stream: 3 }));
        bytes[8] = 3;
        assert_eq!(Frame::decode(&bytes), Err(FrameError::Stream { stream: 3 }));
        bytes[8] = 9;
        assert_eq!(Frame::decode(&bytes), Err(FrameError::Kind(9)));
        bytes[0] = 1;
        assert_eq!(
            Frame::decode(&bytes),
            Err(FrameError::TooLong {
                length: (1 << 24) + 10
            })
        );
    }
}
