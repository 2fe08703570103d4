//! Reading a document, with errors that name the field.

use super::fold::Fold;
use super::merge::Node;
use super::{Process, Resources, Spec};
use serde::de::{Deserialize, DeserializeOwned};
use std::fmt;

/// A document that cannot be read: the field, and what is wrong with it.
#[derive(Debug)]
pub struct ParseError {
    field: String,
    source: serde_json::Error,
}

impl ParseError {
    /// The path of the field, such as `linux.namespaces[2].type`; empty for the document itself.
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, words)) = WORDS.iter().find(|(at, _)| self.field.starts_with(at)) {
            write!(f, "{words}: ")?;
        }
        match self.field.as_str() {
            "" => write!(f, "{}", self.source),
            field => write!(f, "{field}: {}", self.source),
        }
    }
}

/// COMPAT: how errors about these fields begin, which callers match on; the longer path first.
const WORDS: [(&str, &str); 2] = [
    ("linux.memoryPolicy.flags", "invalid memory policy flag"),
    ("linux.memoryPolicy", "invalid memory policy mode"),
];

impl std::error::Error for ParseError {}

impl Spec {
    /// Reads `config.json`.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ParseError> {
        from_slice(bytes)
    }
}

impl Process {
    /// Reads a process document, as `exec --process` takes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ParseError> {
        from_slice(bytes)
    }
}

impl Resources {
    /// Reads a resources document, as `update --resources` takes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ParseError> {
        from_slice(bytes)
    }
}

fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ParseError> {
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let mut read = T::deserialize(Fold(&mut document));
    if read.as_ref().is_err_and(is_of_a_field_given_twice) {
        // Going on where it broke off is not possible; there are few such documents.
        document = serde_json::Deserializer::from_slice(bytes);
        read = Node::deserialize(&mut document).and_then(T::deserialize);
    }
    let read = read.and_then(|read| document.end().map(|()| read));
    read.map_err(|source| ParseError {
        field: field_at(bytes, offset(bytes, source.line(), source.column())),
        source,
    })
}

/// serde tells it by its words alone.
fn is_of_a_field_given_twice(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("duplicate field ")
}

/// The offset of a line and column, both from 1.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(line - 2)
            .map_or(0, |(at, _)| at + 1),
    };
    (start + column.saturating_sub(1)).min(bytes.len())
}

/// An object's current key, or an array's current index.
enum Step {
    Key(String),
    Index(usize),
}

/// The path of the value that the byte at `end` belongs to. `bytes` is JSON up to there.
fn field_at(bytes: &[u8], end: usize) -> String {
    let mut path: Vec<Step> = Vec::new();
    // Whether the next string is a key.
    let mut key_next = false;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let (text, next) = string(bytes, at);
                if let (true, Some(Step::Key(key))) = (key_next, path.last_mut()) {
                    *key = text;
                    key_next = false;
                }
                at = next;
                continue;
            }
            b'{' => {
                path.push(Step::Key(String::new()));
                key_next = true;
            }
            b'[' => path.push(Step::Index(0)),
            b'}' | b']' => {
                path.pop();
                key_next = false;
            }
            b',' => match path.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key(_)) => key_next = true,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    written(&path)
}

/// The string that begins at `start`, and the offset after it.
fn string(bytes: &[u8], start: usize) -> (String, usize) {
    let mut end = start + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(bytes.len());
    let text = String::from_utf8_lossy(&bytes[start + 1..end]).into_owned();
    (text, end + 1)
}

fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
