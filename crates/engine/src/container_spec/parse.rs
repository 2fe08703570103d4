//! Why a short form could not be read.

use std::fmt;

/// A text of a request that does not have its field's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What the text should have been.
    pub what: &'static str,
    /// The text, cut at 160 characters.
    pub text: String,
    /// Why it is none.
    pub reason: String,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, text: &str, reason: impl Into<String>) -> Self {
        Self {
            what,
            text: text.chars().take(160).collect(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {} {:?}: {}", self.what, self.text, self.reason)
    }
}

impl std::error::Error for ParseError {}
