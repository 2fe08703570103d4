//! Versions of the specification.

use std::fmt;
use std::str::FromStr;

/// A version of the specification that is spoken here, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `0.1.0`: one address of each family.
    V010,
    /// `0.2.0`: plugins tell their versions.
    V020,
    /// `0.3.0`: interfaces, any number of addresses, chains of plugins.
    V030,
    /// `0.3.1`
    V031,
    /// `0.4.0`: `CHECK`, and the result told to `DEL`.
    V040,
    /// `1.0.0`: addresses without a family.
    V100,
    /// `1.1.0`: `GC`, `STATUS`, more of interfaces and routes.
    V110,
}

impl Version {
    /// All, the oldest first.
    pub const ALL: [Self; 7] = [
        Self::V010,
        Self::V020,
        Self::V030,
        Self::V031,
        Self::V040,
        Self::V100,
        Self::V110,
    ];

    /// As documents have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V010 => "0.1.0",
            Self::V020 => "0.2.0",
            Self::V030 => "0.3.0",
            Self::V031 => "0.3.1",
            Self::V040 => "0.4.0",
            Self::V100 => "1.0.0",
            Self::V110 => "1.1.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Version {
    type Err = ();

    /// The empty text is the oldest: its documents did not have to say.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = if text.is_empty() { "0.1.0" } else { text };
        let known = Self::ALL.into_iter().find(|version| version.name() == text);
        known.ok_or(())
    }
}
