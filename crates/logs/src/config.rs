//! Where and how a container's output is kept.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

/// A container's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Config {
    /// Output goes to attached clients alone.
    #[default]
    None,
    /// Docker's `json-file`.
    JsonFile(JsonFile),
}

/// Docker's `json-file`: one JSON object a line, in files of bounded size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonFile {
    /// The current file; older ones are `PATH.1`, `PATH.2`...
    pub path: PathBuf,
    /// The size in bytes after which a new file is begun; `None`: never.
    pub max_size: Option<NonZeroU64>,
    /// How many files there may be, with the current one; `None`: one.
    pub max_file: Option<NonZeroU32>,
    /// Labels, environment and tag, repeated in every record.
    pub attributes: BTreeMap<String, String>,
    /// A line that is no UTF-8, which JSON cannot say, is kept to the byte besides.
    #[serde(default)]
    pub exact: bool,
    /// Files that are not written any more are compressed, by [`crate::compress_older`].
    #[serde(default)]
    pub compress: bool,
}

impl JsonFile {
    /// How many files there may be.
    pub(crate) fn files(&self) -> u32 {
        self.max_file.map_or(1, NonZeroU32::get)
    }
}

/// Bytes of memory as docker's tools read them: `10m` are 10 MiB; the error is in their words.
///
/// # Errors
/// If it is no size.
pub fn size(text: &str) -> Result<u64, String> {
    bytes(text, 1_024.0)
}

/// Bytes of a file as docker's tools read them: `10m` are 10,000,000.
///
/// # Errors
/// If it is no size.
pub fn file_size(text: &str) -> Result<u64, String> {
    bytes(text, 1_000.0)
}

fn bytes(text: &str, kilo: f64) -> Result<u64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != ' ');
    let suffix = &text[number.len()..];
    let value: f64 = number.trim().parse().map_err(|_| invalid())?;
    if value < 0.0 || number.starts_with(['+', '-']) {
        return Err(invalid());
    }
    let lower = suffix.to_ascii_lowercase();
    let mut letters = lower.chars();
    let power = match letters.next() {
        None | Some('b') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some(_) => return Err(format!("invalid suffix: '{suffix}'")),
    };
    let known = match letters.as_str() {
        "" => true,
        "b" | "ib" => power > 0,
        _ => false,
    };
    if !known {
        return Err(format!("invalid suffix: '{suffix}'"));
    }
    let bytes = value * kilo.powi(power);
    match bytes < 9e18 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is neither negative nor beyond 63 bits"
        )]
        true => Ok(bytes as u64),
        false => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_dockers_tools_do() {
        for (text, bytes) in [
            ("10", Ok(10)),
            ("1.5m", Ok(3 << 19)),
            ("2KiB", Ok(2_048)),
            ("1g", Ok(1 << 30)),
            ("7b", Ok(7)),
            ("-1", Err("invalid size: '-1'")),
            ("x", Err("invalid size: 'x'")),
            ("1x", Err("invalid suffix: 'x'")),
            ("1kk", Err("invalid suffix: 'kk'")),
            ("", Err("invalid size: ''")),
        ] {
            assert_eq!(size(text), bytes.map_err(str::to_owned), "{text}");
        }
        assert_eq!(file_size("1.5m"), Ok(1_500_000));
        assert_eq!(file_size("2KiB"), Ok(2_000));
    }
}
