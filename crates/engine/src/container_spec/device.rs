//! Devices that a container may use.

use super::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A device of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its path on the host, or a directory of devices.
    pub host: String,
    /// Its path in the container; empty: the same.
    pub container: String,
    /// Letters of `rwm`; empty: all.
    pub permissions: String,
}

/// Which devices a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// All.
    All,
    /// Character devices.
    Character,
    /// Block devices.
    Block,
}

impl DeviceKind {
    /// The letter of rules and of the OCI configuration.
    pub fn letter(self) -> &'static str {
        match self {
            Self::All => "a",
            Self::Character => "c",
            Self::Block => "b",
        }
    }
}

/// A rule of the device cgroup, `c 1:3 rwm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceRule {
    /// Which kind.
    pub kind: DeviceKind,
    /// The major number; `None`: all.
    pub major: Option<i64>,
    /// The minor number; `None`: all.
    pub minor: Option<i64>,
    /// Letters of `rwm`.
    pub access: String,
}

impl FromStr for DeviceRule {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let invalid = || {
            ParseError::new(
                "device cgroup rule",
                text,
                "expected [acb] MAJOR:MINOR [rwm]",
            )
        };
        let mut words = text.split(' ');
        let (Some(kind), Some(numbers), Some(access), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(invalid());
        };
        let kind = match kind {
            "a" => DeviceKind::All,
            "c" => DeviceKind::Character,
            "b" => DeviceKind::Block,
            _ => return Err(invalid()),
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
        let number = |text: &str| match text {
            "*" => Ok(None),
            _ => text
                .parse::<u32>()
                .map(|n| Some(i64::from(n)))
                .map_err(|_| invalid()),
        };
        let letters =
            (1..=3).contains(&access.len()) && access.bytes().all(|b| b"rwm".contains(&b));
        if !letters {
            return Err(invalid());
        }
        Ok(Self {
            kind,
            major: number(major)?,
            minor: number(minor)?,
            access: access.to_owned(),
        })
    }
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<i64>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        let (major, minor) = (number(self.major), number(self.minor));
        write!(f, "{} {major}:{minor} {}", self.kind.letter(), self.access)
    }
}

impl TryFrom<String> for DeviceRule {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<DeviceRule> for String {
    fn from(rule: DeviceRule) -> Self {
        rule.to_string()
    }
}
