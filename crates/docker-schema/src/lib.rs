//! The Docker Engine API's documents, as they stand on the wire.
//!
//! It knows the names, types and presence of every field that Docker Engine 28 (API 1.51) reads
//! and writes, of those that versions up to 1.56 added, and how Go decodes them ([`decode`]). It
//! must not know what they mean.
//! Read first: [`container::CreateRequest`], [`container::Inspect`], [`decode`].
//!
//! A Go slice or map that is nil is written as `null`, not as `[]` or `{}`: [`List`] and
//! [`Map`] keep the difference. Fields that Go marks `omitempty` are left out when empty.

pub mod auth;
pub mod build;
pub mod container;
pub mod decode;
pub mod exec;
pub mod filters;
pub mod image;
pub mod mount;
pub mod network;
pub mod progress;
pub mod system;
pub mod volume;

pub use decode::{DecodeError, decode, decode_value};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A Go slice: nil is `None` and written as `null`.
pub type List<T> = Option<Vec<T>>;

/// A Go map keyed by strings: nil is `None` and written as `null`.
pub type Map<V> = Option<BTreeMap<String, V>>;

/// Go's `struct{}`: written as `{}`, the value of a map that is a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "struct {}")]
pub struct Empty {}

/// The body of every answer with an error status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    /// The error, in the words that clients match on.
    pub message: String,
}

/// The body of answers that name an object just made: `{"Id": ...}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdResponse {
    /// The new object's id.
    #[serde(rename = "Id")]
    pub id: String,
}

/// Go's time zero, which stands for "never".
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Whether a value is what Go's `omitempty` leaves out.
pub(crate) fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
