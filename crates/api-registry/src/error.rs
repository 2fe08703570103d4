//! What a client is told when something does not work: the specification's codes.

use http::StatusCode;
use std::fmt;

/// A refusal in the specification's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

macro_rules! refusals {
    ($($name:ident $status:ident $code:literal)*) => {
        impl Error {
            $(pub(crate) fn $name(message: impl fmt::Display) -> Self {
                Self {
                    status: StatusCode::$status,
                    code: $code,
                    message: message.to_string(),
                }
            })*
        }
    };
}

refusals! {
    blob_unknown NOT_FOUND "BLOB_UNKNOWN"
    upload_invalid BAD_REQUEST "BLOB_UPLOAD_INVALID"
    upload_range RANGE_NOT_SATISFIABLE "BLOB_UPLOAD_INVALID"
    upload_unknown NOT_FOUND "BLOB_UPLOAD_UNKNOWN"
    digest_invalid BAD_REQUEST "DIGEST_INVALID"
    manifest_blob_unknown BAD_REQUEST "MANIFEST_BLOB_UNKNOWN"
    manifest_invalid BAD_REQUEST "MANIFEST_INVALID"
    manifest_large PAYLOAD_TOO_LARGE "SIZE_INVALID"
    unauthorized UNAUTHORIZED "UNAUTHORIZED"
    denied FORBIDDEN "DENIED"
    manifest_unknown NOT_FOUND "MANIFEST_UNKNOWN"
    name_invalid BAD_REQUEST "NAME_INVALID"
    name_unknown NOT_FOUND "NAME_UNKNOWN"
    unsupported METHOD_NOT_ALLOWED "UNSUPPORTED"
    page_invalid BAD_REQUEST "PAGINATION_NUMBER_INVALID"
    cut BAD_REQUEST "SIZE_INVALID"
    unknown INTERNAL_SERVER_ERROR "UNKNOWN"
    range_unsatisfiable RANGE_NOT_SATISFIABLE "SIZE_INVALID"
}

impl From<metadata::Error> for Error {
    fn from(error: metadata::Error) -> Self {
        Self::unknown(error)
    }
}

impl From<unpack::Error> for Error {
    fn from(error: unpack::Error) -> Self {
        match error {
            unpack::Error::Refused(refusal) => Self::manifest_invalid(refusal),
            error => Self::unknown(format!("the manifest was not read: {error}")),
        }
    }
}

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        match error {
            content::Error::NotFound { .. } => Self::blob_unknown(error),
            content::Error::Mismatch { .. } | content::Error::Size { .. } => {
                Self::digest_invalid(error)
            }
            content::Error::Busy { .. } => Self::upload_range("the upload is being written"),
            error => Self::unknown(error),
        }
    }
}
