//! A driver's options as their texts.

use crate::OptionError;
use std::collections::BTreeMap;
use std::time::Duration;

/// A driver's options.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a>(pub &'a BTreeMap<String, String>);

impl Options<'_> {
    /// Refuses what is none of `names`.
    pub(crate) fn among(
        self,
        names: &[&str],
        words: impl Fn(&str) -> String,
    ) -> Result<(), OptionError> {
        let unknown = self.0.keys().find(|name| !names.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(OptionError(words(name))))
    }

    /// An option's text; nothing if it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// A switch, off without the option.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, OptionError> {
        self.text(name).map_or(Ok(false), switch)
    }

    /// A number; `by` is what reads it in Go.
    pub(crate) fn number(&self, name: &str, by: &str) -> Result<Option<u64>, OptionError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text
            .parse()
            .map_err(|_| OptionError(format!("strconv.{by}: parsing {text:?}: invalid syntax")))?;
        Ok(Some(number))
    }

    /// A duration as Go writes it, `1s`.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, OptionError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let invalid = || OptionError(format!("time: invalid duration {text:?}"));
        duration(text).ok_or_else(invalid).map(Some)
    }
}

/// A switch as Go reads it.
pub(crate) fn switch(text: &str) -> Result<bool, OptionError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(OptionError(format!(
            "strconv.ParseBool: parsing {text:?}: invalid syntax"
        ))),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let (value, tail) = rest.split_at(rest.len() - number.len());
        let unit = tail.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let (unit, tail) = tail.split_at(tail.len() - unit.len());
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        let value: f64 = value.parse().ok()?;
        total += Duration::try_from_secs_f64(value * seconds).ok()?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}
