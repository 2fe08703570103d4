//! Lines of progress that pull, push, load, import and build stream.
#![expect(missing_docs, reason = "fields bear the Engine API's own names")]

use crate::is_empty;
use serde::{Deserialize, Serialize};

/// One line of progress; docker calls it a JSON message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Written as `{}` by a step without figures.
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<Detail>,
    /// The bar as text, which the daemon draws too.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Pushed>,
}

/// Figures of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    #[serde(skip_serializing_if = "is_empty")]
    pub current: u64,
    #[serde(skip_serializing_if = "is_empty")]
    pub total: u64,
    #[serde(skip_serializing_if = "is_empty")]
    pub start: i64,
    #[serde(rename = "hidecounts", skip_serializing_if = "is_empty")]
    pub hide_counts: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub units: String,
}

/// The error that ended the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "is_empty")]
    pub code: i64,
    pub message: String,
}

impl Message {
    /// A line of plain status.
    pub fn status(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            ..Self::default()
        }
    }

    /// The last line of a stream that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: message.clone(),
            error_detail: Some(ErrorDetail { code: 0, message }),
            ..Self::default()
        }
    }
}

/// What was pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Pushed {
    pub tag: String,
    pub digest: String,
    pub size: u64,
}
