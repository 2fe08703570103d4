//! What ttrpc frames carry.

use crate::Code;
use prost::{Message, Name};

/// A call.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// The service's full name.
    #[prost(string, tag = "1")]
    pub service: String,
    /// The method's name.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The encoded argument.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// How long the caller waits, in nanoseconds; 0: no bound.
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
    /// Further words of the caller.
    #[prost(message, repeated, tag = "5")]
    pub metadata: Vec<Metadata>,
}

/// One key and value of a caller.
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// An answer.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// An error; `None` or code 0: none.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The encoded result.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// A [`Code`].
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// For programs.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<prost_types::Any>,
}

impl Status {
    /// Adds a message for programs.
    #[must_use]
    pub fn with<M: Message + Name>(mut self, detail: &M) -> Self {
        self.details.push(prost_types::Any {
            type_url: M::full_name(),
            value: detail.encode_to_vec(),
        });
        self
    }

    /// The message for programs of type `M`, if there is one that can be read.
    pub fn detail<M: Message + Name + Default>(&self) -> Option<M> {
        let name = M::full_name();
        let mut details = self.details.iter();
        let detail = details.find(|any| any.type_url.rsplit('/').next() == Some(name.as_str()))?;
        M::decode(detail.value.as_slice()).ok()
    }
}

/// The answer that carries `message`.
pub fn body(message: &impl Message) -> Response {
    Response {
        status: None,
        payload: message.encode_to_vec(),
    }
}

/// The error of this code and these words.
pub fn failure(code: Code, message: impl Into<String>) -> Status {
    Status {
        code: code.number(),
        message: message.into(),
        details: Vec::new(),
    }
}
